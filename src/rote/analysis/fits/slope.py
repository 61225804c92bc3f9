"""Bits per parameter over several sizes: the mean of capacity over parameters.

Sizes differ by more than the errors of their plateaus, so the mean is one of random effects
(`rote.analysis.fits.random_effects`), and the spread between sizes stands beside it. A plateau's
error is relative to its own capacity: weights made of absolute errors prefer sizes that happen to
hold little, and a mean of 16 sizes that scatter by 8 % came out 2 % low (95 % intervals held it in
81-90 %). Errors here are relative ones times the plain mean, alike for sizes measured alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rote.analysis.estimate import Estimate
from rote.analysis.fits.level import student
from rote.analysis.fits.plateau import Plateau
from rote.analysis.fits.random_effects import random_effects_mean


@dataclass(frozen=True, kw_only=True)
class Slope:
    """Mean bits per parameter over ``n`` sizes."""

    bits_per_parameter: Estimate
    standard_error_bits_per_parameter: float  # spread between sizes included
    between_sizes_bits_per_parameter: Estimate | None  # standard deviation; None for one size
    degrees_of_freedom: int


def fit_slope(plateaus: Sequence[tuple[int, Plateau]]) -> Slope:
    """Of (parameters, plateau) of each size; raises ValueError without a size.

    The relative noise of a run is pooled over the sizes. A size alone has few runs to tell its
    noise by; one that looked exact by luck would carry the mean alone (65 % coverage where 95 % is
    claimed, in simulations of 16 sizes with 5 runs each).
    """
    if not plateaus:
        raise ValueError("a mean over sizes takes one model size or more, got 0")
    degrees = sum(plateau.degrees_of_freedom for _, plateau in plateaus)
    squares = sum(each.degrees_of_freedom * each.relative_noise**2 for _, each in plateaus)
    noise = math.sqrt(squares / degrees)
    ratios = np.array([plateau.capacity_bits / parameters for parameters, plateau in plateaus])
    relative = [plateau.log_capacity_errors_per_noise * noise for _, plateau in plateaus]
    errors = ratios.mean() * np.array(relative)
    if len(plateaus) == 1:
        value, error = float(ratios[0]), float(errors[0])
        reach, method = student(degrees) * error, "Student's t of one plateau"
        return Slope(
            bits_per_parameter=Estimate.of(
                value, (value - reach, value + reach), n=1, method=method
            ),
            standard_error_bits_per_parameter=error,
            between_sizes_bits_per_parameter=None,
            degrees_of_freedom=degrees,
        )
    found = random_effects_mean(ratios, errors)
    return Slope(
        bits_per_parameter=found.mean,
        standard_error_bits_per_parameter=found.standard_error,
        between_sizes_bits_per_parameter=found.between,
        degrees_of_freedom=found.degrees,
    )
