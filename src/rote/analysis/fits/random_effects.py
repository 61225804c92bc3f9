"""The mean of quantities that differ by more than their errors: a random-effects mean.

    y_k = mu + u_k + e_k,   u_k of variance tau^2 between groups,   e_k of known variance s_k^2

Weights are 1 / (tau^2 + s_k^2). tau^2 is Paule and Mandel's (1982): the weighted squares about the
mean are then as large as their degrees of freedom; its interval is the Q profile of Viechtbauer
(2007). The interval of mu is Knapp and Hartung's (2003), by Student's t with K - 1 degrees, never
narrower than the known errors alone would have it (Roever et al. 2015).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import chi2

from rote.analysis.estimate import Estimate
from rote.analysis.fits.level import ENDS, student

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
    variance, low, high = (
        _variance(y, s, level)
        for level in (float(degrees), *chi2.ppf(ENDS[::-1], degrees).tolist())
    )
    weights = 1 / (variance + s**2)
    mean = float(np.average(y, weights=weights))
    scale = max(1.0, _squares(variance, y, s) / degrees)
    error = float(np.sqrt(scale / weights.sum()))
    reach = student(degrees) * error
    return RandomEffectsMean(
        mean=Estimate.of(mean, (mean - reach, mean + reach), n=len(y), method="Knapp-Hartung"),
        standard_error=error,
        between=Estimate.of(variance**0.5, (low**0.5, high**0.5), n=len(y), method="Q profile"),
        degrees=degrees,
    )


def _squares(variance: float, y: Floats, s: Floats) -> float:
    """About the mean, weighted."""
    weights = 1 / (variance + s**2)
    return float((weights * (y - np.average(y, weights=weights)) ** 2).sum())


def _variance(y: Floats, s: Floats, level: float) -> float:
    """At which the weighted squares, which fall with it, are ``level``; 0 if they never are."""
    if _squares(0.0, y, s) <= level:
        return 0.0
    low, high, unit = 0.0, float((s**2).min()), float((s**2).min())
    while _squares(high, y, s) > level:
        low, high = high, 4 * high
    return float(brentq(lambda tau2: _squares(tau2, y, s) - level, low, high, xtol=1e-9 * unit))
