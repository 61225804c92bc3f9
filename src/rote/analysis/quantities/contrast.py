"""Means, differences and rank correlations, with intervals.

Zou and Donner 2008 ("Construction of confidence limits about effect measures: a general approach",
Statistics in Medicine 27): reaches of independent estimates add up as squares, side by side. For
two rates it is Newcombe's method (1998).
Shapes: K things measured twice.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata

from rote.analysis.fits.level import LEVEL
from rote.analysis.fits.mean import mean_interval
from rote.analysis.quantities.membership import Estimate

Floats = NDArray[np.float64]

FEWEST_RANKED = 5  # things: below that a correlation says nothing


def mean_estimate(estimates: Sequence[Estimate]) -> Estimate:
    """Of independent estimates, all of one weight; raises ValueError where there are none."""
    if not estimates:
        raise ValueError("a mean takes one estimate or more")
    number = len(estimates)
    value = sum(each.value for each in estimates) / number
    below = math.hypot(*(each.value - each.interval[0] for each in estimates)) / number
    above = math.hypot(*(each.interval[1] - each.value for each in estimates)) / number
    return Estimate(value=value, interval=(value - below, value + above))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """The first less the second, taken as independent: too wide where they go up and down alike."""
    value = one.value - other.value
    below = math.hypot(one.value - one.interval[0], other.interval[1] - other.value)
    above = math.hypot(one.interval[1] - one.value, other.value - other.interval[0])
    return Estimate(value=value, interval=(value - below, value + above))


def paired_difference(one_K: ArrayLike, other_K: ArrayLike) -> Estimate:
    """Mean of the first less the second; Student's t over the K things.

    Raises ValueError for lengths that differ, and below two things.
    """
    ones, others = _pairs(one_K, other_K)
    apart_K = ones - others
    return Estimate(value=float(apart_K.mean()), interval=mean_interval(apart_K))


def rank_correlation(one_K: ArrayLike, other_K: ArrayLike) -> Estimate | None:
    """Spearman's rho; None for fewer than `FEWEST_RANKED` things, or values that never vary.

    The interval is Bonett and Wright's (2000): of Fisher's z, variance (1 + rho^2 / 2) / (K - 3).
    Raises ValueError for lengths that differ.
    """
    ones, others = _pairs(one_K, other_K)
    if len(ones) < FEWEST_RANKED or np.ptp(ones) == 0 or np.ptp(others) == 0:
        return None
    rho = float(np.corrcoef(rankdata(ones), rankdata(others))[0, 1])
    rho = min(1.0, max(-1.0, rho))
    if abs(rho) > 1 - 1e-12:  # Fisher's z is infinite
        return Estimate(value=rho, interval=(rho, rho))
    error = math.sqrt((1 + rho**2 / 2) / (len(ones) - 3))
    reach = float(norm.ppf(0.5 + LEVEL / 2)) * error
    low, high = (math.tanh(math.atanh(rho) + side * reach) for side in (-1, 1))
    return Estimate(value=rho, interval=(low, high))


def _pairs(one_K: ArrayLike, other_K: ArrayLike) -> tuple[Floats, Floats]:
    ones, others = np.asarray(one_K, np.float64), np.asarray(other_K, np.float64)
    if ones.shape != others.shape or ones.ndim != 1:
        raise ValueError(f"pairs need two values of each thing, got {ones.shape}, {others.shape}")
    return ones, others
