"""Compute random-effects means, and with them the mean bits per parameter over model sizes.

    y_k = mu + u_k + e_k,   u_k of variance tau^2 between groups,   e_k of known variance s_k^2

The weights are 1 / (tau^2 + s_k^2). tau^2 is Paule and Mandel's (1982): it makes the weighted
squares about the mean equal to their degrees of freedom; its interval is the Q profile of
Viechtbauer (2007). The interval of mu is Knapp and Hartung's (2003), by Student's t with K - 1
degrees, never narrower than the known errors alone give (Roever et al. 2015).

Bits per parameter is the mean of capacity over parameters. Sizes differ by more than the errors of
their plateaus, so this mean is one of random effects, and the spread between sizes is reported
beside it. A plateau's error is relative to its own capacity: weights from absolute errors prefer
sizes that happen to hold little, and a mean of 16 sizes that scatter by 8 % came out 2 % low (95 %
intervals held it in 81-90 %). The errors here are the relative ones times the plain mean, so that
sizes measured alike weigh alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import chi2

from rote.analysis.estimate import ENDS, Estimate, student
from rote.analysis.fits.plateau import Plateau
from rote.core.arrays import Floats


@dataclass(frozen=True, kw_only=True)
class RandomEffectsMean:
    """The mean mu and the spread tau, in the unit of the values."""

    mean: Estimate
    standard_error: float  # includes the spread between groups
    between: Estimate | None  # tau, the standard deviation beyond errors; None for one group
    degrees: int


def random_effects_mean(values: ArrayLike, errors: ArrayLike) -> RandomEffectsMean:
    """Compute the mean of values with known standard errors ``errors``.

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
    """Return the weighted sum of squares about the weighted mean."""
    weights = 1 / (variance + s**2)
    return float((weights * (y - np.average(y, weights=weights)) ** 2).sum())


def _variance(y: Floats, s: Floats, level: float) -> float:
    """Return the variance at which the weighted squares have fallen to ``level``, or 0."""
    if _squares(0.0, y, s) <= level:
        return 0.0
    low, high, unit = 0.0, float((s**2).min()), float((s**2).min())
    while _squares(high, y, s) > level:
        low, high = high, 4 * high
    return float(brentq(lambda tau2: _squares(tau2, y, s) - level, low, high, xtol=1e-9 * unit))


def fit_slope(plateaus: Sequence[tuple[int, Plateau]]) -> RandomEffectsMean:
    """Return the mean bits per parameter of (parameters, plateau) of each size.

    Raises ValueError without a size.

    The relative noise of a run is pooled over the sizes. A single size has too few runs to estimate
    its noise: one that looked exact by luck would dominate the mean (65 % coverage where 95 % is
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
    if len(plateaus) > 1:
        return random_effects_mean(ratios, errors)
    value, error = float(ratios[0]), float(errors[0])
    reach, method = student(degrees) * error, "Student's t of one plateau"
    mean = Estimate.of(value, (value - reach, value + reach), n=1, method=method)
    return RandomEffectsMean(mean=mean, standard_error=error, between=None, degrees=degrees)
