"""Show the progress of long calls and of training runs on a terminal."""

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from rote.cli.screen import aside
from rote.io.read import printable
from rote.ledger.curve import MEMORISED_BITS, progress_text

if TYPE_CHECKING:
    from rote.ledger.record import Record
    from rote.ledger.spec import Spec

NARROW = 110  # columns of a screen
REFRESHES_A_SECOND = 4  # a sweep is followed for hours, often through ssh


class Words(TextColumn):
    """A column of literal text, because labels hold settings that others may have written."""

    def __init__(self, form: str) -> None:
        super().__init__(form, markup=False)

    def render(self, task: Task) -> Text:
        """Return the text without control characters."""
        return Text(printable(super().render(task).plain), style=self.style, justify=self.justify)


class Bar:
    """A `Progress` callback that shows one line, which disappears when the block ends.

    It writes to standard error, only on a terminal, from the first call on.
    """

    def __init__(self) -> None:
        self.progress = _progress(
            aside(),
            Words("{task.description}"),
            BarColumn(bar_width=24),
            Words("{task.fields[amount]}"),
            TimeElapsedColumn(),
            Words("{task.fields[eta]}"),
            TimeRemainingColumn(),
            is_transient=True,
        )
        self.task: TaskID | None = None
        self.total: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self.progress.stop()

    def __call__(self, what: str, done: float, total: float | None) -> None:
        """Update the line; the clock continues across stages that have the same total."""
        amount = f"{done / total:4.0%}" if total else f"{done:,.0f}" if done else ""
        if self.task is None or total != self.total:
            self._begin(what, total)
        assert self.task is not None  # _begin has set it
        self.progress.update(self.task, description=what, completed=done, amount=amount)

    def _begin(self, what: str, total: float | None) -> None:
        """Start a new line, because rich cannot unset a total."""
        if self.task is not None:
            self.progress.remove_task(self.task)
        eta = "eta" if total else ""
        self.task = self.progress.add_task(what, total=total, amount="", eta=eta)
        self.total = total
        self.progress.start()


def steps_of(console: Console) -> Progress:
    """Show a line for each training run: label, bar, steps, elapsed, time left, bits.

    A narrow screen shows label, share done, time left and bits.
    """
    label, steps = Words("{task.description}"), "{task.completed:,.0f}/{task.total:,.0f} steps"
    left = (Words("eta"), TimeRemainingColumn(), Words("{task.fields[bits]}"))
    if console.width < NARROW:
        share = Words("{task.percentage:3.0f}%")
        return _progress(console, label, share, *left, is_transient=False)
    bar = (BarColumn(bar_width=24), Words(steps), TimeElapsedColumn())
    return _progress(console, label, *bar, *left, is_transient=False)


def _progress(console: Console, *columns: ProgressColumn, is_transient: bool) -> Progress:
    """Build a display, which is disabled in a pipe and under --quiet."""
    hidden = console.quiet or not console.is_terminal
    return Progress(
        *columns,
        console=console,
        transient=is_transient,
        disable=hidden,
        refresh_per_second=REFRESHES_A_SECOND,
    )


class ProgressBar:
    """An observer that shows the progress of one run."""

    def __init__(self, max_steps: int, console: Console) -> None:
        self.progress = steps_of(console)
        self.task = self.progress.add_task("training", total=max_steps, bits="")

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self.progress.stop()

    def start(self, spec: "Spec", parameters: int, epoch_tokens: int) -> None:
        """Start the clock with the first step, so that set-up does not blur the ETA."""
        self.parameters = parameters
        self.progress.reset(self.task)

    def row(self, row: dict[str, float]) -> None:
        """Show the progress after another stride."""
        text = progress_text(row)
        if MEMORISED_BITS in row:
            text += f", {row[MEMORISED_BITS] / self.parameters:.2f} per parameter"
        self.progress.update(self.task, completed=row["step"], bits=text)

    def finish(self, record: "Record") -> None:
        """Show the run as complete, also if it saturated early."""
        self.progress.update(self.task, total=record.training["steps"])

    def pause(self) -> None:
        """Shows nothing: the caller that stopped the run prints it."""

    def fail(self, reason: str) -> None:
        """Show the reason; the caller that catches the error prints the error itself."""
        self.progress.update(self.task, bits=f"failed: {reason}")
