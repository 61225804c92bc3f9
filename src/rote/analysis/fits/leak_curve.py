"""How a kind of leakage falls with windows a parameter, x = |D| / P: a logistic curve in ln x.

    y(x) = chance + (most - chance) / (1 + (x / middle)^steepness)

``chance`` and ``most`` are known beforehand: 1.44 bits and log2 of what a canary is ranked among
for exposure, 0 and 1 for a share extracted. The form is ours; nobody has published one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.special import expit

Floats = NDArray[np.float64]

FEWEST_RATIOS = 3  # distinct ones: two unknowns and one to judge them by
GREATEST_STEEPNESS = 20.0  # runs on either side of a cliff do not tell how steep it is


@dataclass(frozen=True, kw_only=True)
class LeakCurve:
    """The curve with constants put in."""

    chance: float
    most: float
    middle: float  # windows a parameter at which half of it is gone
    steepness: float

    def predict(self, parameters: ArrayLike, samples: ArrayLike) -> Floats:
        """Leakage of |D| samples from a model of this size, in the unit of ``most``."""
        return self.at(np.asarray(samples, dtype=np.float64) / np.asarray(parameters))

    def at(self, ratio: Floats) -> Floats:
        """The same at x = |D| / N."""
        fallen = expit(-self.steepness * (np.log(ratio) - np.log(self.middle)))
        return np.asarray(self.chance + (self.most - self.chance) * fallen)


def fit_leak_curve(
    ratio: ArrayLike,
    leakage: ArrayLike,
    *,
    chance: float,
    most: float,
    num_resamples: int = 200,
    seed: int = 0,
) -> tuple[LeakCurve, tuple[LeakCurve, ...]]:
    """The curve, and those of a bootstrap over runs; every run is a point.

    Raises ValueError for fewer than three ratios, or where no run leaks or all leak everything.
    """
    x, y = np.asarray(ratio, dtype=np.float64), np.asarray(leakage, dtype=np.float64)
    if (num_ratios := len(np.unique(x))) < FEWEST_RATIOS:
        raise ValueError(f"{num_ratios} ratio(s) of data to size, a curve takes {FEWEST_RATIOS}")
    share = (y - chance) / (most - chance)
    if share.max() < 0.05 or share.min() > 0.95:
        raise ValueError("all runs leak alike: no way from high to low among them")
    start = (float(np.median(np.log(x))), 0.0)
    best = _fit(x, share, start)
    generator = np.random.default_rng(seed)
    resampled = []
    for _ in range(num_resamples):
        rows = generator.integers(len(x), size=len(x))
        if len(np.unique(x[rows])) >= FEWEST_RATIOS - 1:
            resampled.append(_fit(x[rows], share[rows], best))
    made = [
        LeakCurve(chance=chance, most=most, middle=float(np.exp(log)), steepness=float(np.exp(k)))
        for log, k in (best, *resampled)
    ]
    return made[0], tuple(made[1:])


def _fit(x: Floats, share: Floats, start: tuple[float, float]) -> tuple[float, float]:
    """ln middle and ln steepness, by least squares on the share."""
    log_x = np.log(x)

    def residuals(theta: Floats) -> Floats:
        return np.asarray(expit(-np.exp(theta[1]) * (log_x - theta[0])) - share)

    bounds = ([-np.inf, -5.0], [np.inf, np.log(GREATEST_STEEPNESS)])
    found = least_squares(residuals, start, bounds=bounds, x_scale=(1.0, 0.5))
    return float(found.x[0]), float(found.x[1])
