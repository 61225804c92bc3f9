"""Define the interface of measures, and check the prefixes in their settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from rote.core.checks import require_list, require_whole
from rote.tasks.protocol import Task, scored_from


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Sums and counts that add over runs, and arrays with one value, or row, per sequence."""

    totals: Mapping[str, float]
    arrays: Mapping[str, np.ndarray]


class Measure(Protocol):
    """A measurement of a trained model on its task, called inside the run's precision context."""

    def __call__(
        self, model: nn.Module, task: Task, *, seed: int, device: torch.device
    ) -> Measurement:
        """Measure the model without changing it."""


@runtime_checkable
class ChecksTask(Protocol):
    """A measure that applies to some tasks only."""

    def check(self, task: Task) -> None:
        """Check the task before any training; raises ValueError."""


def require_prefixes(key: str, prefixes: Sequence[int]) -> None:
    """Raises ValueError for an empty list, or an entry that is not a whole number from 1 on."""
    require_list(key, prefixes)
    if len(prefixes) == 0:
        raise ValueError(f"{key} is empty: [8, 16, 32] are usual")
    for prefix in prefixes:
        require_whole(f"each of {key}", prefix, 1)


def require_rest(key: str, prefixes: Sequence[int], length: int) -> None:
    """Raises ValueError where a prefix leaves nothing of sequences of ``length`` tokens."""
    if (longest := max(prefixes)) >= length:
        raise ValueError(
            f"{key}: a prefix of {longest} tokens leaves nothing to continue in sequences of "
            f"task.length={length}"
        )


def require_learnt(key: str, prefixes: Sequence[int], task: Task) -> None:
    """Raises ValueError where a prefix leaves tokens to continue that training does not score."""
    if (shortest := min(prefixes)) < (start := scored_from(task)):
        raise ValueError(
            f"{key}: a prefix of {shortest} tokens leaves some to "
            f"continue that are not learnt: {type(task).__name__} begins to score at {start}"
        )
