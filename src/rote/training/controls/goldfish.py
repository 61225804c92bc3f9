"""Compute the goldfish loss: one token in k is never learnt, always the same one.

A hash of the h tokens before a token decides whether it is dropped. So a passage that occurs again,
in another epoch or elsewhere, loses the same tokens, and a model that recites it has to guess them.
Source: Hans et al. 2024 (arXiv 2406.10209). The hash is our own. With fewer than h tokens before,
the existing ones decide, so a passage's first h tokens depend on where it begins. The first token
of a sequence is always learnt, because no token comes before it.

Shapes: B batch, L positions, H earlier tokens in the hash.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from rote.core.checks import require_whole
from rote.core.rng import random_32_bits, stream_seed

# Keys of the hash, the same in every run: a passage loses the same tokens in all of them.
KEY, LOW_KEY, HIGH_KEY = (stream_seed(0, "goldfish", *part) for part in ((), ("low",), ("high",)))


@dataclass(frozen=True, kw_only=True)
class Goldfish:
    """Settings of the goldfish loss; raises ValueError for numbers out of range."""

    k: int  # one token in k is dropped
    h: int  # tokens before it that decide
    # One factor per distance. The tensor is made beforehand, because torch.compile would turn
    # products of a range into endless arithmetic and overflow.
    _factors_H: Tensor = field(init=False, repr=False, compare=False)
    _copies: dict[torch.device, Tensor] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_whole("control.goldfish.k", self.k, 2)
        require_whole("control.goldfish.h", self.h, 1, 1024)
        distances_H = torch.arange(self.h, 0, -1)
        low_H, high_H = (random_32_bits(distances_H, key) for key in (LOW_KEY, HIGH_KEY))
        object.__setattr__(self, "_factors_H", (high_H << 32) + low_H | 1)
        object.__setattr__(self, "_copies", {})

    def weights(self, tokens_BL: Tensor) -> Tensor:
        """Return 0 for dropped tokens, else 1, float32 [B, L]."""
        return (~self.is_dropped(tokens_BL)).float()

    def is_dropped(self, tokens_BL: Tensor) -> Tensor:
        """Return whether each token is dropped, [B, L]."""
        hash_BL = random_32_bits(self._sums(tokens_BL), KEY)
        dropped_BL = hash_BL * self.k < 1 << 32
        return dropped_BL & (torch.arange(tokens_BL.shape[1], device=tokens_BL.device) > 0)

    def _sums(self, tokens_BL: Tensor) -> Tensor:
        """Sum the H tokens before each, times a factor per distance; absent tokens add 0."""
        before_BLH = functional.pad(tokens_BL[:, :-1] + 1, (self.h, 0)).unfold(1, self.h, 1)
        return (before_BLH * self._factors_on(tokens_BL.device)).sum(dim=2)

    def _factors_on(self, device: torch.device) -> Tensor:
        """Copy them once to each device, because a CUDA graph cannot record a copy from the CPU."""
        if torch.compiler.is_compiling():  # what compiled code returns may not be kept
            return self._factors_H.to(device)
        if device not in self._copies:
            self._copies[device] = self._factors_H.to(device)
        return self._copies[device]
