"""Show chosen training sequences in a window of steps only, so that forgetting can be measured.

Chang et al. 2024 (arXiv 2406.11813) inject texts into pretraining at chosen steps and follow their
log-probability from there. Here an inserted sequence replaces a row of the batch of its step, and
the replaced row is skipped. Ordinary epochs leave inserted sequences out. Steps count from 1: after
step s the model has seen the batch of step s.
Shapes: S showings, T steps, B batch.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rote.core.checks import require_whole
from rote.core.rng import generator, stream_seed
from rote.tasks.canaries.task import Canaries
from rote.tasks.protocol import Task
from rote.training.controls.protocol import PlannedTraining
from rote.training.data import BatchOrder

KEY = "control.insertion"


@dataclass(frozen=True, kw_only=True)
class Showings:
    """Which sequence is shown at which step, one entry a showing, in the order of steps."""

    steps_S: np.ndarray  # int64, from 1
    sequences_S: np.ndarray  # int64 indices into the training sequences
    items_S: np.ndarray  # int64: a canary's place in the manifest, or the sequence

    def until(self, step: int) -> dict[str, np.ndarray]:
        """Return the showings of the first ``step`` steps by the name that arrays.npz has."""
        number = np.searchsorted(self.steps_S, step, side="right")
        return {
            "insertion.shown_steps": self.steps_S[:number],
            "insertion.shown_sequences": self.sequences_S[:number],
            "insertion.shown_items": self.items_S[:number],
        }


class InsertionOrder(BatchOrder):
    """Epochs of the ordinary sequences, with showings in the first rows of their batches."""

    def __init__(self, showings: Showings, *, ordinary: range, batch_size: int, seed: int) -> None:
        super().__init__(num_sequences=len(ordinary), batch_size=batch_size, seed=seed)
        self.showings, self.first_ordinary = showings, ordinary.start

    def indices(self, steps: range) -> Tensor:
        """Return the indices read at ``steps``, int64 [T, B], on the CPU."""
        indices_TB = super().indices(steps) + self.first_ordinary
        shown_S = self.showings.steps_S - 1  # steps count from 0 here
        for row_B, step in zip(indices_TB, steps, strict=True):
            start, stop = np.searchsorted(shown_S, [step, step + 1])
            row_B[: stop - start] = torch.from_numpy(self.showings.sequences_S[start:stop])
        return indices_TB


@dataclass(frozen=True, kw_only=True)
class Insertion:
    """Settings; raises ValueError for numbers out of range."""

    from_step: int  # first step of the window
    to_step: int  # its last step; with every_steps, of the first showings
    every_steps: int | None  # between showings of one sequence; None: at random steps
    num_inserted: int | None  # the first so many training sequences; None: the task's canaries
    times: int | None  # each of those is shown; None: canaries, as often as the task says

    def __post_init__(self) -> None:
        require_whole(f"{KEY}.from_step", self.from_step, 1)
        require_whole(f"{KEY}.to_step", self.to_step, self.from_step)
        for name in ("every_steps", "num_inserted", "times"):
            if (value := getattr(self, name)) is not None:
                require_whole(f"{KEY}.{name}", value, 1)
        if (self.num_inserted is None) != (self.times is None):
            raise ValueError(
                f"{KEY}: num_inserted and times go together; canaries are shown as often as "
                "task.repeats says"
            )

    def check(self, planned: PlannedTraining) -> None:
        """Raises ValueError for a window that the task, the batch or the budget has no room for."""
        self.order(
            planned.task, batch_size=planned.budget.batch_size,
            max_steps=planned.budget.max_steps, seed=0,
        )  # fmt: skip

    def order(self, task: Task, *, batch_size: int, max_steps: int, seed: int) -> InsertionOrder:
        """Return which sequences each step reads; raises ValueError as `check` does."""
        items, ordinary = self._items(task, seed)
        showings = self._showings(items, seed)
        if (last := showings.steps_S[-1]) > max_steps:
            raise ValueError(f"{KEY}: step {last} is beyond budget.max_steps={max_steps}")
        order = InsertionOrder(
            showings, ordinary=ordinary, batch_size=batch_size, seed=stream_seed(seed, "order")
        )
        step, most = Counter(showings.steps_S.tolist()).most_common(1)[0]
        if most > order.batch_size:
            raise ValueError(
                f"{KEY}: {most} sequences are shown at step {step}, and a batch holds "
                f"{order.batch_size}: widen the window from_step to to_step"
            )
        return order

    def _items(self, task: Task, seed: int) -> tuple[Mapping[int, Sequence[int]], range]:
        """Return each item with the sequence of each of its showings, and ordinary sequences."""
        if self.num_inserted is not None:
            assert self.times is not None  # both or neither
            number = task.train(seed).num_sequences
            if self.num_inserted >= number:
                raise ValueError(f"{KEY}.num_inserted must be below the {number} sequences")
            chosen = range(self.num_inserted)
            return {index: [index] * self.times for index in chosen}, range(len(chosen), number)
        if not isinstance(task, Canaries):
            raise ValueError(
                f"{KEY} needs task=canaries, or num_inserted and times: {type(task).__name__} "
                "holds no canaries"
            )
        canaries = enumerate(task.manifest(seed).canaries)
        planted = {place: one.indices for place, one in canaries if not one.is_control}
        return planted, range(task.base.train(seed).num_sequences)

    def _showings(self, items: Mapping[int, Sequence[int]], seed: int) -> Showings:
        rows = [
            (step, sequence, item)
            for item, sequences in items.items()
            for step, sequence in zip(
                self._steps(len(sequences), stream_seed(seed, "insertion", item)),
                sequences,
                strict=True,
            )
        ]
        steps_S, sequences_S, items_S = np.array(sorted(rows), np.int64).T
        return Showings(steps_S=steps_S, sequences_S=sequences_S, items_S=items_S)

    def _steps(self, times: int, seed: int) -> Iterator[int]:
        """Return the different steps at which an item is shown."""
        window = range(self.from_step, self.to_step + 1)
        drawn = torch.randperm(len(window), generator=generator(seed, "steps")).tolist()
        if self.every_steps is not None:
            first = window[drawn[0]]
            return iter(range(first, first + times * self.every_steps, self.every_steps))
        if times > len(window):
            raise ValueError(
                f"{KEY}: {times} showings of a sequence need as many steps, and the window "
                f"from_step to to_step has {len(window)}"
            )
        return (window[place] for place in drawn[:times])
