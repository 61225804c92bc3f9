"""Fit a logistic curve to leakage over windows per parameter, x = |D| / P, in ln x.

    y(x) = chance + (most - chance) / (1 + (x / middle)^steepness)

``chance`` and ``most`` are known in advance: 1.44 bits and log2 of the number of candidates for
exposure, 0 and 1 for an extracted share. The form is ours; no such curve has been published.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from rote.analysis.estimate import plural
from rote.analysis.fits.search import least_squares_within
from rote.analysis.fits.uncertainty import clusters_of_sizes, wild_noise
from rote.core.arrays import Floats

FEWEST_RATIOS = 3  # distinct ratios: two unknowns and one to check the fit
GREATEST_STEEPNESS = 20.0  # runs on either side of a cliff cannot show its steepness
FARTHEST = 1e6  # largest factor between the middle and any run
AT_BOUND = 1e-4  # relative distance at which a value counts as at its bound
LEAST_FALL = 1e-12  # least derivative of the share: runs far from the middle keep one


@dataclass(frozen=True, kw_only=True)
class LeakCurve:
    """The curve with its constants."""

    chance: float
    most: float
    middle: float  # windows per parameter at which half the leakage is gone
    steepness: float

    def predict(self, parameters: ArrayLike, samples: ArrayLike) -> Floats:
        """Return the leakage of |D| samples from a model of this size, in the unit of ``most``."""
        return self.at(np.asarray(samples, dtype=np.float64) / np.asarray(parameters))

    def at(self, ratio: Floats) -> Floats:
        """Return the leakage at x = |D| / N."""
        fallen = expit(-self.steepness * (np.log(ratio) - np.log(self.middle)))
        return np.asarray(self.chance + (self.most - self.chance) * fallen)


@dataclass(frozen=True, kw_only=True)
class FittedLeakCurve:
    """The fitted curve, and the curves of a wild bootstrap with the sizes as clusters."""

    curve: LeakCurve
    resampled: tuple[LeakCurve, ...]
    steepness_at_bound: bool  # runs lie on both sides of a cliff; it may be steeper


def fit_leak_curve(
    samples: ArrayLike,
    parameters: ArrayLike,
    leakage: ArrayLike,
    *,
    chance: float,
    most: float,
    num_resamples: int = 200,
) -> FittedLeakCurve:
    """Fit the curve to all runs; each run is a point and each size a cluster.

    Sizes are clusters because one size may leak more, or less, than the curve at all its ratios.
    Raises ValueError for fewer than three ratios, or if no run leaks or all runs leak everything.
    """
    sizes = np.asarray(parameters, dtype=np.float64)
    x, y = np.asarray(samples, dtype=np.float64) / sizes, np.asarray(leakage, dtype=np.float64)
    if (num_ratios := len(np.unique(x))) < FEWEST_RATIOS:
        raise ValueError(
            f"{plural(num_ratios, 'ratio')} of data to size, a curve takes {FEWEST_RATIOS}"
        )
    share = (y - chance) / (most - chance)
    if share.max() < 0.05 or share.min() > 0.95:
        raise ValueError("all runs leak alike: no way from high to low among them")
    log_x = np.log(x)
    best = _fit(log_x, share, (float(np.median(log_x)), 0.0))
    fitted = _share(best, log_x)
    wild_RM = wild_noise(
        _design(best, log_x), share - fitted, clusters_of_sizes(sizes), num_draws=num_resamples,
        seed=0,
    )  # fmt: skip
    found = (best, *(_fit(log_x, fitted + noise_M, best) for noise_M in wild_RM))
    made = [
        LeakCurve(chance=chance, most=most, middle=float(np.exp(log)), steepness=float(np.exp(k)))
        for log, k in found
    ]
    return FittedLeakCurve(
        curve=made[0],
        resampled=tuple(made[1:]),
        steepness_at_bound=made[0].steepness > GREATEST_STEEPNESS * (1 - AT_BOUND),
    )


def _share(theta: Floats, log_x: Floats) -> Floats:
    return np.asarray(expit(-np.exp(theta[1]) * (log_x - theta[0])))


def _design(theta: Floats, log_x: Floats) -> Floats:
    """Return derivatives of the share by ln middle and ln steepness, [M, 2]; tiny on a cliff."""
    share = _share(theta, log_x)
    fall = np.maximum(share * (1 - share), LEAST_FALL) * np.exp(theta[1])
    return np.column_stack([fall, -fall * (log_x - theta[0])])


def _fit(log_x: Floats, share: Floats, start: Sequence[float] | Floats) -> Floats:
    """Return ln middle and ln steepness, by least squares on the share."""
    middles = log_x.min() - np.log(FARTHEST), log_x.max() + np.log(FARTHEST)
    bounds = middles, (-5.0, np.log(GREATEST_STEEPNESS))
    return least_squares_within(
        lambda theta: _share(theta, log_x) - share, start, bounds, x_scale=(1.0, 0.5)
    )
