"""The mean of quantities that differ by more than their errors: a random-effects mean.

    y_k = mu + u_k + e_k,   u_k of variance tau^2 between groups,   e_k of known variance s_k^2

Weights are 1 / (tau^2 + s_k^2). tau^2 is Paule and Mandel's (1982): the weighted squares about the
mean are then as large as their degrees of freedom; its interval is the Q profile of Viechtbauer
(2007). The interval of mu is Knapp and Hartung's (2003), by Student's t with K - 1 degrees, never
narrower than the known errors alone would have it (Roever et al. 2015).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import chi2
from scipy.stats import t as student_t

from rote.analysis.estimate import Estimate
from rote.analysis.fits.level import ENDS, LEVEL

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RandomEffectsMean:
    """mu and tau, in the unit of the values."""

    mean: Estimate
    standard_error: float
    between: Estimate  # tau, the standard deviation between groups beyond their errors
    degrees: int


def random_effects_mean(values: ArrayLike, errors: ArrayLike) -> RandomEffectsMean:
    """``errors`` are standard errors, taken as known.

    Raises ValueError below two groups, for arrays that differ in length, or an error not > 0.
    """
    y, s = np.asarray(values, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if y.ndim != 1 or y.shape != s.shape or len(y) < 2:
        raise ValueError(f"a mean over groups takes two or more of them, got {y.shape} {s.shape}")
    if not (np.isfinite(y).all() and np.isfinite(s).all() and (s > 0).all()):
        raise ValueError("a mean over groups needs finite values with errors > 0")
    degrees = len(y) - 1

    def squares(variance: float) -> float:
        weights = 1 / (variance + s**2)
        return float((weights * (y - np.average(y, weights=weights)) ** 2).sum())

    smallest = float((s**2).min())
    variance = _root(squares, degrees, smallest)
    weights = 1 / (variance + s**2)
    mean = float(np.average(y, weights=weights))
    scale = max(1.0, squares(variance) / degrees)
    error = float(np.sqrt(scale / weights.sum()))
    reach = float(student_t.ppf(0.5 + LEVEL / 2, degrees)) * error
    low, high = (
        _root(squares, float(chi2.ppf(share, degrees)), smallest) for share in reversed(ENDS)
    )
    return RandomEffectsMean(
        mean=Estimate.of(mean, (mean - reach, mean + reach), n=len(y), method="Knapp-Hartung"),
        standard_error=error,
        between=Estimate(
            value=float(np.sqrt(variance)),
            low=float(np.sqrt(low)),
            high=float(np.sqrt(high)),
            n=len(y),
            method="Q profile",
        ),
        degrees=degrees,
    )


def _root(squares: Callable[[float], float], level: float, unit: float) -> float:
    """The variance at which the weighted squares, which fall with it, are ``level``; 0 if none.

    ``unit`` is a variance of the size of the errors', where the search starts.
    """
    if squares(0.0) <= level:
        return 0.0
    low, high = 0.0, unit
    while squares(high) > level:
        low, high = high, 4 * high
    return float(brentq(lambda variance: squares(variance) - level, low, high, xtol=1e-9 * unit))
