"""Add Gaussian noise to every gradient; it decreases over the steps.

Source: Neelakantan et al. 2015 (arXiv 1511.06807): variance eta / (1 + t)^gamma at step t, gamma
0.55, eta from 0.01, 0.3 and 1. It is added after clipping, which would reduce it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rote.core.checks import require_number
from rote.core.rng import generator


@dataclass(frozen=True, kw_only=True)
class GradientNoise:
    """Settings of the noise; raises ValueError for numbers below 0."""

    eta: float  # the variance at the first step
    gamma: float  # how fast the variance falls

    def __post_init__(self) -> None:
        require_number("control.gradient_noise.eta", self.eta, 0)
        require_number("control.gradient_noise.gamma", self.gamma, 0)

    def std(self, step: int) -> float:
        """Return the standard deviation of the noise at a step."""
        return float((self.eta / (1 + step) ** self.gamma) ** 0.5)

    def change_gradients(self, gradients: Sequence[Tensor], *, seed: int, step: int) -> None:
        """Add noise that depends on seed and step only, so all processes and sessions agree."""
        draws = generator(seed, "gradient noise", step, device=gradients[0].device)
        for gradient in gradients:
            noise = torch.empty(gradient.shape, device=gradient.device).normal_(generator=draws)
            gradient.add_(noise, alpha=self.std(step))
