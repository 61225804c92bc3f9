"""What a measurement takes and gives.

Prefixes that a model is given to go on from, as a measure's settings hold them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from rote.core.checks import require_whole
from rote.tasks.protocol import Task


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
        """Must not change the model."""
        ...


@runtime_checkable
class ChecksTask(Protocol):
    """A measure that not every task can be measured with."""

    def check(self, task: Task) -> None:
        """Before any training; raises ValueError."""
        ...


def require_prefixes(key: str, prefixes: Sequence[int]) -> None:
    """Raises ValueError for numbers of tokens of which one is no number, or that are none."""
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
