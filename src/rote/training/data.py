"""Training data on the device: made once where it fits, made for each batch where it does not.

Shapes: N sequences, B sequences asked for, L tokens in each; K runs, M sequences of all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rote.tasks.protocol import Sequences

RESIDENT_TOKENS = 1 << 25  # 256 MiB of int64


@dataclass(frozen=True)
class TokensInMemory:
    """Sequences held as one tensor, because indexing is cheaper than making them again."""

    tokens_NL: Tensor

    @property
    def num_sequences(self) -> int:
        """How many there are."""
        return self.tokens_NL.shape[0]

    def tokens(self, indices_B: Tensor) -> Tensor:
        """[B] -> [B, L]."""
        return self.tokens_NL[indices_B]


@dataclass(frozen=True)
class StackedTokens:
    """Sequences of several runs in one tensor: one call reads a batch of each."""

    tokens_ML: Tensor
    starts_K: Tensor  # int64

    @classmethod
    def of(cls, runs: Sequence[TokensInMemory]) -> "StackedTokens":
        """Of one length."""
        whole_ML = torch.cat([one.tokens_NL for one in runs])
        counts_K = torch.tensor([one.num_sequences for one in runs])
        return cls(whole_ML, (counts_K.cumsum(0) - counts_K).to(whole_ML.device))

    def tokens(self, indices_KB: Tensor) -> Tensor:
        """Those of each run, [K, B] -> [K, B, L]."""
        return self.tokens_ML[indices_KB + self.starts_K[:, None]]

    def keep(self, runs: Sequence[int]) -> "StackedTokens":
        """Without the others, in this order."""
        return StackedTokens(self.tokens_ML, self.starts_K[list(runs)])


def on_device(sequences: Sequences, *, length: int, device: torch.device) -> Sequences:
    """The same sequences, resident on ``device`` where they fit."""
    if sequences.num_sequences * length > RESIDENT_TOKENS:
        return sequences
    return TokensInMemory(sequences.tokens(torch.arange(sequences.num_sequences, device=device)))
