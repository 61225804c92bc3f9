"""Compute the code length, in bits, of sequences on which a run need not have been trained.

It records what a reference model knows of the samples of other runs: with the stored ids, a run on
any part of the same pool can be compared with it sample by sample. Shapes: M sequences.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from rote.core.checks import require_whole
from rote.measures.cost import num_scored_tokens, sequence_code_bits
from rote.measures.protocol import Measurement
from rote.tasks.protocol import HasSuperset, Task


@dataclass(frozen=True, kw_only=True)
class Superset:
    """Measures -log2 p of the first M of the whole train pool, in the order of the run's seed.

    Raises ValueError for a number below 1.
    """

    num_sequences: int | None  # M; None: all

    def __post_init__(self) -> None:
        if self.num_sequences is not None:
            require_whole("measure.superset.num_sequences", self.num_sequences, 1)

    def check(self, task: Task) -> None:
        """Raises ValueError for a task that has no larger set, or too small a one."""
        if not isinstance(task, HasSuperset):
            raise ValueError(f"measure=superset: {type(task).__name__} is no part of a larger set")
        held = task.superset(0).num_sequences
        if self.num_sequences is not None and self.num_sequences > held:
            raise ValueError(
                f"measure.superset.num_sequences={self.num_sequences:,} is more than the {held:,} "
                "of the whole set"
            )

    def __call__(
        self, model: nn.Module, task: Task, *, seed: int, device: torch.device
    ) -> Measurement:
        """Return one value for each sequence, and its sample id."""
        assert isinstance(task, HasSuperset)
        whole = task.superset(seed)
        number = self.num_sequences or whole.num_sequences
        code_bits_M, _ = sequence_code_bits(model, whole, task, device=device, number=number)
        return Measurement(
            totals={
                "code_bits": float(code_bits_M.sum()),
                "sequences": number,
                "tokens": num_scored_tokens(number, task),
            },
            arrays={
                "code_bits": code_bits_M.astype(np.float32),
                "sample_ids": whole.sample_ids[:number],
            },
        )
