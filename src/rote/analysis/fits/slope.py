"""The slope: bits per parameter as a weighted straight line of capacity over parameters.

Weights are the inverse squared standard errors of the plateaus. Where the sizes scatter by more
than those errors allow, the slope's error is multiplied by S = sqrt(chi^2 / (n - k)), as the
Particle Data Group does (Review of Particle Physics, Introduction, "Unconstrained averaging");
S is never below 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student_t

from rote.analysis.fits.level import LEVEL
from rote.analysis.fits.plateau import Plateau

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A fitted line; the interval is 95 %."""

    bits_per_parameter: float
    standard_error_bits_per_parameter: float  # scatter beyond the errors included
    interval_bits_per_parameter: tuple[float, float]
    intercept_bits: float  # 0 for a line through the origin
    degrees_of_freedom: float
    num_sizes: int

    def predict(self, parameters: ArrayLike) -> Floats:
        """Capacity in bits."""
        count = np.asarray(parameters, dtype=np.float64)
        return self.intercept_bits + self.bits_per_parameter * count


@dataclass(frozen=True, kw_only=True)
class CapacityPoint:
    """One size: what a plateau fit says about it."""

    parameters: int
    capacity_bits: float
    standard_error_bits: float


def points_of(plateaus: Sequence[tuple[int, Plateau]]) -> tuple[list[CapacityPoint], int]:
    """Points of (parameters, plateau), and the degrees of freedom behind all their errors.

    The relative noise of a run is pooled over the sizes. A size alone has few runs to tell its
    noise by; one that looked exact by luck would carry the line alone (65 % coverage where 95 % is
    claimed, in simulations of 16 sizes with 5 runs each).
    """
    degrees = sum(plateau.degrees_of_freedom for _, plateau in plateaus)
    squares = sum(each.degrees_of_freedom * each.relative_noise**2 for _, each in plateaus)
    points = [
        CapacityPoint(
            parameters=parameters,
            capacity_bits=plateau.capacity_bits,
            standard_error_bits=plateau.standard_error_bits_at(math.sqrt(squares / degrees)),
        )
        for parameters, plateau in plateaus
    ]
    return points, degrees


def fit_slope(points: Sequence[CapacityPoint], *, degrees_of_freedom: int) -> Slope:
    """Line through the origin; ``degrees_of_freedom`` are those behind the points' errors.

    Raises ValueError without a size, or for an error that is not > 0.
    """
    parameters = _checked(points, degrees_of_freedom, fewest=1)
    return _fit(points, parameters[:, None], degrees_of_freedom)


def fit_slope_with_intercept(points: Sequence[CapacityPoint], *, degrees_of_freedom: int) -> Slope:
    """Line with a free intercept; raises ValueError below three distinct sizes."""
    parameters = _checked(points, degrees_of_freedom, fewest=3)
    design = np.column_stack([parameters, np.ones_like(parameters)])
    return _fit(points, design, degrees_of_freedom)


def _checked(points: Sequence[CapacityPoint], degrees: int, *, fewest: int) -> Floats:
    parameters = np.array([point.parameters for point in points], dtype=np.float64)
    if len(np.unique(parameters)) < fewest:
        raise ValueError(
            f"this line takes {fewest} distinct model size(s), got {len(np.unique(parameters))}"
        )
    for point in points:
        if not (point.parameters > 0 and np.isfinite(point.capacity_bits)):
            raise ValueError(f"a slope needs sizes > 0 and finite capacities, got {point}")
        if not 0 < point.standard_error_bits < np.inf:
            raise ValueError(f"a slope needs a standard error > 0 of each capacity, got {point}")
    if degrees < 1:
        raise ValueError(f"a slope needs degrees of freedom behind its errors, got {degrees}")
    return parameters


def _fit(points: Sequence[CapacityPoint], design: Floats, within: int) -> Slope:
    capacity_bits = np.array([point.capacity_bits for point in points])
    errors_bits = np.array([point.standard_error_bits for point in points])
    estimator = np.linalg.pinv(design / errors_bits[:, None]) / errors_bits
    line = estimator @ capacity_bits
    num_sizes, num_unknowns = design.shape
    between = num_sizes - num_unknowns
    misfit = float((((capacity_bits - design @ line) / errors_bits) ** 2).sum())
    scale = max(1.0, float(np.sqrt(misfit / between))) if between else 1.0
    error = scale * float(np.linalg.norm(estimator[0] * errors_bits))
    degrees = _degrees_of_freedom(within=within, between=between, scale=scale)
    reach = float(student_t.ppf(0.5 + LEVEL / 2, degrees)) * error
    return Slope(
        bits_per_parameter=float(line[0]),
        standard_error_bits_per_parameter=error,
        interval_bits_per_parameter=(float(line[0]) - reach, float(line[0]) + reach),
        intercept_bits=float(line[1]) if num_unknowns == 2 else 0.0,
        degrees_of_freedom=degrees,
        num_sizes=num_sizes,
    )


def _degrees_of_freedom(*, within: int, between: int, scale: float) -> float:
    """Behind the slope's error, for Student's t.

    That error is a sum of two variances: 1 part known from the plateaus (``within``) and S^2 - 1
    parts known only from the scatter of the sizes (``between``). Satterthwaite 1946 for such a sum:
    without excess scatter it is ``within``, with much of it n - k whatever the plateaus say.
    In simulations 95 % intervals cover 88-98 %, least where n - k is 2 and the scatter large.
    """
    excess = scale**2 - 1
    return (1 + excess) ** 2 / (1 / within + excess**2 / max(between, 1))
