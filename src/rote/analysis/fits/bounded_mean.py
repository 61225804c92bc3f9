"""The mean of values that lie between two known bounds, with an interval for any distribution.

Student's t and bootstraps know the spread of the values that were drawn. A few exposures that all
reach the largest one hide how often a secret is not exposed: of 8 canaries of which 10 % are as
unknown as chance, these intervals hold the mean in 56 % of draws where 95 % is stated.

Here each end is the mean of the values and one more at the bound, with weights that are
Dirichlet(1, ..., 1): the shares of any continuous distribution between draws in their order
(Gaffke 2005; Learned-Miller and Thomas 2019, arXiv 1905.06208). For values that are 0 or 1 it is
Clopper and Pearson's interval. That it covers for every bounded distribution is a conjecture of
that paper; `benchmarks/coverage.py` counts. Shapes: N values, B draws of weights.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from rote.analysis.fits.level import ENDS

Floats = NDArray[np.float64]

NUM_DRAWS = 10_000  # quantiles of the weights then err by about 2 % of the interval's width
MOST_DRAWN = 300  # points: the weighted mean of more is about normal
ROUNDING = 1e-6  # relative: float32 arrays may pass their bound by it
SEED = 0


def bounded_mean_interval(values_N: ArrayLike, *, least: float, most: float) -> tuple[float, float]:
    """95 % for the mean, in the unit of the values, which are independent draws.

    Raises ValueError for no value, for bounds that do not rise and for a value beyond them.
    """
    values = np.sort(np.asarray(values_N, dtype=np.float64))
    slack = ROUNDING * max(abs(least), abs(most))
    if not (len(values) and least < most):
        raise ValueError(
            f"a bounded mean takes a value and a range, got {len(values)} values from {least} "
            f"to {most}"
        )
    if not (values[0] >= least - slack and values[-1] <= most + slack):
        raise ValueError(f"values from {values[0]} to {values[-1]} pass {least} to {most}")
    low = _quantile(np.append(values, least), ENDS[0])
    high = _quantile(np.append(values, most), ENDS[1])
    return max(least, low), min(most, high)


def _quantile(points: Floats, share: float) -> float:
    """Of the mean of points with Dirichlet weights; its variance is the points' over N + 1."""
    if len(points) > MOST_DRAWN:
        return float(points.mean() + norm.ppf(share) * points.std() / np.sqrt(len(points) + 1))
    weights_BN = np.random.default_rng(SEED).dirichlet(np.ones(len(points)), NUM_DRAWS)
    return float(np.quantile(weights_BN @ points, share))
