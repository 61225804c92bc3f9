"""What a person watches while runs train."""

from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rote.ledger.curve import MEMORISED_BITS, progress_told
from rote.ledger.record import Record
from rote.ledger.spec import Spec


def columns() -> tuple[TextColumn | BarColumn | TimeElapsedColumn | TimeRemainingColumn, ...]:
    """Label, bar, steps, elapsed, time left, bits."""
    return (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[bits]}"),
    )


class Bar:
    """A bar that is shown from its beginning to its end."""

    progress: Progress

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self.progress.stop()


class PreparationBar(Bar):
    """How far the preparation of data is; nothing where there is nothing to prepare."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            TextColumn("preparing: {task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,.0f}"),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            console=console,
        )
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        if self.tasks:
            super().__exit__(*ended)

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """A line for each stage."""
        if not self.tasks:
            self.progress.start()
        if what not in self.tasks:
            self.tasks[what] = self.progress.add_task(what, total=total)
        self.progress.update(self.tasks[what], completed=done, total=total)


class ProgressBar(Bar):
    """An observer of one run."""

    def __init__(self, max_steps: int, console: Console) -> None:
        self.progress = Progress(*columns(), console=console)
        self.task = self.progress.add_task("training", total=max_steps, bits="")

    def start(self, spec: Spec, parameters: int, epoch_tokens: int) -> None:
        """The clock starts with the first step, so that set-up does not blur the ETA."""
        self.parameters = parameters
        self.progress.reset(self.task)

    def row(self, row: dict[str, float]) -> None:
        """Another stride is done."""
        text = progress_told(row)
        if MEMORISED_BITS in row:
            text += f", {row[MEMORISED_BITS] / self.parameters:.2f} per parameter"
        self.progress.update(self.task, completed=row["step"], bits=text)

    def finish(self, record: Record) -> None:
        """A run that saturated early is complete."""
        self.progress.update(self.task, total=record.training["steps"])

    def pause(self) -> None:
        """Nothing to show: whoever stopped it says so."""

    def fail(self, reason: str) -> None:
        """The error itself is printed by whoever catches it."""
        self.progress.update(self.task, bits=f"failed: {reason}")
