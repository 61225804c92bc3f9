"""Training data on the device: made once where it fits, made for each batch where it does not.

Shapes: N sequences, B sequences asked for, L tokens in each.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rote.tasks.protocol import Sequences

RESIDENT_TOKENS = 1 << 25  # 256 MiB of int64


@dataclass(frozen=True)
class Resident:
    """Sequences held as one tensor, because indexing is cheaper than making them again."""

    tokens_NL: Tensor

    @property
    def num_sequences(self) -> int:
        """How many there are."""
        return self.tokens_NL.shape[0]

    def tokens(self, indices_B: Tensor) -> Tensor:
        """[B] -> [B, L]."""
        return self.tokens_NL[indices_B]


def on_device(sequences: Sequences, *, length: int, device: torch.device) -> Sequences:
    """The same sequences, resident on ``device`` where they fit."""
    if sequences.num_sequences * length > RESIDENT_TOKENS:
        return sequences
    return Resident(sequences.tokens(torch.arange(sequences.num_sequences, device=device)))
