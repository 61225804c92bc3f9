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
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student_t

from rote.analysis.estimate import Estimate
from rote.analysis.fits.level import LEVEL
from rote.analysis.fits.plateau import Plateau
from rote.analysis.fits.random_effects import random_effects_mean

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Slope:
    """Mean bits per parameter over ``n`` sizes."""

    bits_per_parameter: Estimate
    standard_error_bits_per_parameter: float  # spread between sizes included
    between_sizes_bits_per_parameter: Estimate | None  # standard deviation; None for one size
    degrees_of_freedom: int

    def predict(self, parameters: ArrayLike) -> Floats:
        """Capacity in bits of a size like those behind the mean."""
        return self.bits_per_parameter.value * np.asarray(parameters, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class CapacityPoint:
    """One size: what a plateau fit says about it."""

    parameters: int
    capacity_bits: float
    relative_error: float  # standard error over the capacity


def points_of(plateaus: Sequence[tuple[int, Plateau]]) -> tuple[list[CapacityPoint], int]:
    """Points of (parameters, plateau), and the degrees of freedom behind all their errors.

    The relative noise of a run is pooled over the sizes. A size alone has few runs to tell its
    noise by; one that looked exact by luck would carry the mean alone (65 % coverage where 95 % is
    claimed, in simulations of 16 sizes with 5 runs each).
    """
    degrees = sum(plateau.degrees_of_freedom for _, plateau in plateaus)
    squares = sum(each.degrees_of_freedom * each.relative_noise**2 for _, each in plateaus)
    noise = math.sqrt(squares / degrees)
    points = [
        CapacityPoint(
            parameters=parameters,
            capacity_bits=plateau.capacity_bits,
            relative_error=plateau.log_capacity_errors_per_noise * noise,
        )
        for parameters, plateau in plateaus
    ]
    return points, degrees


def fit_slope(points: Sequence[CapacityPoint], *, degrees_of_freedom: int) -> Slope:
    """``degrees_of_freedom`` are those behind the points' errors; they count for one size alone.

    Raises ValueError without a size, or for an error that is not > 0.
    """
    ratios = _checked(points, degrees_of_freedom)
    errors = ratios.mean() * np.array([point.relative_error for point in points])
    if len(points) == 1:
        return _of_one_size(float(ratios[0]), float(errors[0]), degrees_of_freedom)
    found = random_effects_mean(ratios, errors)
    return Slope(
        bits_per_parameter=found.mean,
        standard_error_bits_per_parameter=found.standard_error,
        between_sizes_bits_per_parameter=found.between,
        degrees_of_freedom=found.degrees,
    )


def _of_one_size(value: float, error: float, degrees: int) -> Slope:
    reach = float(student_t.ppf(0.5 + LEVEL / 2, degrees)) * error
    return Slope(
        bits_per_parameter=Estimate.of(
            value, (value - reach, value + reach), n=1, method="Student's t of one plateau"
        ),
        standard_error_bits_per_parameter=error,
        between_sizes_bits_per_parameter=None,
        degrees_of_freedom=degrees,
    )


def _checked(points: Sequence[CapacityPoint], degrees: int) -> Floats:
    """Bits per parameter of each size."""
    if not points:
        raise ValueError("a mean over sizes takes one model size or more, got 0")
    for point in points:
        if not (point.parameters > 0 and 0 < point.capacity_bits < np.inf):
            raise ValueError(f"a mean over sizes needs sizes and capacities > 0, got {point}")
        if not 0 < point.relative_error < np.inf:
            raise ValueError(f"a mean over sizes needs an error > 0 of each capacity, got {point}")
    if degrees < 1:
        raise ValueError(f"a mean over sizes needs degrees of freedom of its errors, got {degrees}")
    return np.array([point.capacity_bits / point.parameters for point in points])
