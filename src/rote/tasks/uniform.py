"""Generate uniform random tokens: nothing generalises, so every bit gained is memorised.

Source: Morris et al. 2025 (arXiv 2505.24832), section 3. A token is a pure function of (seed,
split, sequence, position): any sequence can be computed anywhere, and none is stored.
Shapes: B sequences asked for, L tokens in each.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rote.core.checks import require_whole
from rote.core.rng import random_32_bits, stream_seed
from rote.core.units import uniform_bits

MAX_SEQUENCES = 1 << 40  # keeps sequence * length + position well inside 63 bits


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """N sequences of S tokens, each uniform over V symbols: N * S * log2 V bits, exactly.

    The first N sequences of a larger set with the same seed are the smaller set. If V is not a
    power of two, a symbol's probability is off by at most 2^-32. Raises ValueError for values out
    of range.
    """

    num_sequences: int
    length: int
    vocab_size: int
    num_heldout_sequences: int  # fresh draws, to check that the model cannot predict them

    def __post_init__(self) -> None:
        require_whole("task.num_sequences", self.num_sequences, 1, MAX_SEQUENCES)
        require_whole("task.length", self.length, 1, 1 << 20)
        require_whole("task.vocab_size", self.vocab_size, 2, 1 << 30)
        require_whole("task.num_heldout_sequences", self.num_heldout_sequences, 1, MAX_SEQUENCES)

    def train(self, seed: int) -> "UniformSequences":
        """Return the sequences to memorise."""
        return self._sequences(self.num_sequences, stream_seed(seed, "data", "train"))

    def heldout(self, seed: int) -> "UniformSequences":
        """Return sequences that are never trained on."""
        return self._sequences(self.num_heldout_sequences, stream_seed(seed, "data", "heldout"))

    def entropy_bits(self, *, from_position: int = 0) -> float:
        """Return the exact entropy of the training set, in bits."""
        return uniform_bits(self.num_sequences * (self.length - from_position), self.vocab_size)

    def _sequences(self, num_sequences: int, key: int) -> "UniformSequences":
        return UniformSequences(
            num_sequences=num_sequences, length=self.length, vocab_size=self.vocab_size, key=key
        )


@dataclass(frozen=True, kw_only=True)
class UniformSequences:
    """Counter-based random sequences: computed where they are used, from their index alone."""

    num_sequences: int
    length: int
    vocab_size: int
    key: int

    def tokens(self, indices_B: Tensor) -> Tensor:
        """Map [B] -> [B, L] int64 in [0, V)."""
        positions_L = torch.arange(self.length, device=indices_B.device)
        counters_BL = indices_B[:, None] * self.length + positions_L
        return (random_32_bits(counters_BL, self.key) * self.vocab_size) >> 32
