"""Gaussian noise on every gradient, less and less of it.

Source: Neelakantan et al. 2015 (arXiv 1511.06807): variance eta / (1 + t)^gamma at step t, gamma
0.55, eta from 0.01, 0.3 and 1. It is added after clipping: clipped noise would be less than asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rote.core.checks import require_number
from rote.core.rng import generator


@dataclass(frozen=True, kw_only=True)
class GradientNoise:
    """Raises ValueError for numbers below 0."""

    eta: float  # the variance at the first step
    gamma: float  # how fast it falls

    def __post_init__(self) -> None:
        require_number("control.gradient_noise.eta", self.eta, 0)
        require_number("control.gradient_noise.gamma", self.gamma, 0)

    def std(self, step: int) -> float:
        """Of the noise on each number."""
        return float((self.eta / (1 + step) ** self.gamma) ** 0.5)

    def change_gradients(self, gradients: Sequence[Tensor], *, seed: int, step: int) -> None:
        """A function of seed and step: each process and each life of a run adds the same."""
        draws = generator(seed, "gradient noise", step, device=gradients[0].device)
        for gradient in gradients:
            noise = torch.empty(gradient.shape, device=gradient.device).normal_(generator=draws)
            gradient.add_(noise, alpha=self.std(step))
