"""Goldfish loss: one token in k is never learnt, and it is always the same one.

Whether a token is dropped is told by the h tokens before it, through a hash: a passage that comes
again, in another epoch or elsewhere, loses the same tokens. A model that recites it has to guess
them. Source: Hans et al. 2024 (arXiv 2406.10209). The hash is our own; where fewer than h tokens
come before, those there are decide, so that a passage's first h tokens depend on where it begins.
A sequence's first token, which nothing comes before, is always learnt.
Shapes: B batch, L positions, H tokens looked back at.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from rote.core.checks import require_whole
from rote.core.rng import random_32_bits, stream_seed

# Of the hash, the same in every run: a passage loses the same tokens in all of them.
KEY, LOW_KEY, HIGH_KEY = (stream_seed(0, "goldfish", *part) for part in ((), ("low",), ("high",)))


@dataclass(frozen=True, kw_only=True)
class Goldfish:
    """Raises ValueError for numbers that are no counts."""

    k: int  # one token in so many is dropped
    h: int  # told by so many tokens before it
    # One for each distance. A tensor made beforehand: torch.compile would take products of a range
    # for arithmetic without an end, and overflow.
    _factors_H: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_whole("control.goldfish.k", self.k, 2)
        require_whole("control.goldfish.h", self.h, 1, 1024)
        distances_H = torch.arange(self.h, 0, -1)
        low_H, high_H = (random_32_bits(distances_H, key) for key in (LOW_KEY, HIGH_KEY))
        object.__setattr__(self, "_factors_H", (high_H << 32) + low_H | 1)

    def weights(self, tokens_BL: Tensor) -> Tensor:
        """0 for what is dropped, else 1, float32 [B, L]."""
        return (~self.is_dropped(tokens_BL)).float()

    def is_dropped(self, tokens_BL: Tensor) -> Tensor:
        """Whether each token is, [B, L]."""
        hash_BL = random_32_bits(self._sums(tokens_BL), KEY)
        dropped_BL = hash_BL * self.k < 1 << 32
        return dropped_BL & (torch.arange(tokens_BL.shape[1], device=tokens_BL.device) > 0)

    def _sums(self, tokens_BL: Tensor) -> Tensor:
        """Of the H tokens before each, times a factor of their distance; absent ones add 0."""
        before_BLH = functional.pad(tokens_BL[:, :-1] + 1, (self.h, 0)).unfold(1, self.h, 1)
        return (before_BLH * self._factors_H.to(tokens_BL.device)).sum(dim=2)
