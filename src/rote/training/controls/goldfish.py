"""Goldfish loss: one token in k is never learnt, and it is always the same one.

Whether a token is dropped is told by the h tokens before it, through a hash: a passage that comes
again, in another epoch or elsewhere, loses the same tokens. A model that recites it has to guess
them. Source: Hans et al. 2024 (arXiv 2406.10209). The hash is our own; where fewer than h tokens
come before, those there are decide, so that a passage's first h tokens depend on where it begins.
A sequence's first token, which nothing comes before, is always learnt.
Shapes: B batch, L positions, H tokens looked back at.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from rote.checks import require_whole
from rote.rng import random_32_bits, stream_seed

FACTORS = "goldfish"  # the stream that the hash's factors are drawn from, the same in every run


@dataclass(frozen=True, kw_only=True)
class Goldfish:
    """Raises ValueError for numbers that are no counts."""

    k: int  # one token in so many is dropped
    h: int  # told by so many tokens before it

    def __post_init__(self) -> None:
        require_whole("control.goldfish.k", self.k, 2)
        require_whole("control.goldfish.h", self.h, 1, 1024)

    def weights(self, tokens_BL: Tensor) -> Tensor:
        """0 for what is dropped, else 1, float32 [B, L]."""
        return (~self.is_dropped(tokens_BL)).float()

    def is_dropped(self, tokens_BL: Tensor) -> Tensor:
        """Whether each token is, [B, L]."""
        hash_BL = random_32_bits(self._sums(tokens_BL), stream_seed(0, FACTORS))
        dropped_BL = hash_BL * self.k < 1 << 32
        return dropped_BL & (torch.arange(tokens_BL.shape[1], device=tokens_BL.device) > 0)

    def _sums(self, tokens_BL: Tensor) -> Tensor:
        """Of the H tokens before each, times a factor of their distance; absent ones add 0."""
        before_BLH = functional.pad(tokens_BL[:, :-1] + 1, (self.h, 0)).unfold(1, self.h, 1)
        distances_H = torch.arange(self.h, 0, -1, device=tokens_BL.device)
        low_H = random_32_bits(distances_H, stream_seed(0, FACTORS, "low"))
        high_H = random_32_bits(distances_H, stream_seed(0, FACTORS, "high"))
        return (before_BLH * ((high_H << 32) + low_H | 1)).sum(dim=2)
