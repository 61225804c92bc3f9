"""What a measurement takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

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
