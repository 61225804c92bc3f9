"""(n, p)-discoverable extraction: how probably n samples hold the suffix, from ln p of one sample.

Source: Hayes et al. 2024 (arXiv 2410.19482). Everything stays in logarithms: the
probability of 50 tokens in one sample underflows easily. Shapes: N sequences.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Below it p is less than half of float64's resolution at 1, and -ln(1 - p) is p.
TINY_LOG = -37.0
ROUNDING = 1e-9  # relative: a number of samples this little above a whole one is that one


def probability_within(log_p_N: ArrayLike, num_samples: float) -> Floats:
    """1 - (1 - p)^n, as -expm1(n log1p(-p)); raises ValueError for ln p above 0 or n below 0."""
    if not num_samples >= 0:
        raise ValueError(f"a number of samples must be from 0 up, got {num_samples}")
    with np.errstate(divide="ignore"):
        log_number = np.log(np.float64(num_samples))
    return -np.expm1(-np.exp(log_number + _log_hazard(log_p_N)))


def log_samples_needed(log_p_N: ArrayLike, probability: float) -> Floats:
    """ln of the least real n for which `probability_within` n is ``probability``.

    Infinite where p is 0. Raises ValueError for ln p above 0, or a probability not within (0, 1).
    """
    if not 0 < probability < 1:
        raise ValueError(f"a probability to reach must be between 0 and 1, got {probability}")
    return math.log(-math.log1p(-probability)) - _log_hazard(log_p_N)


def samples_needed(log_p_N: ArrayLike, probability: float) -> Floats:
    """Whole numbers, one at least; infinite where float64 has no such number."""
    with np.errstate(over="ignore"):
        exact_N = np.exp(log_samples_needed(log_p_N, probability))
    return np.maximum(1.0, np.ceil(exact_N * (1 - ROUNDING)))


def num_extractable(log_p_N: ArrayLike, num_samples: float, probability: float) -> int:
    """How many sequences are (n, p)-discoverable; divide by N for the rate."""
    return int((samples_needed(log_p_N, probability) <= num_samples).sum())


def _log_hazard(log_p_N: ArrayLike) -> Floats:
    """ln(-ln(1 - p))."""
    logs = np.asarray(log_p_N, dtype=np.float64)
    if not np.all(logs <= 0):  # also where one is NaN
        raise ValueError("ln p must be 0 or below for every sequence")
    with np.errstate(divide="ignore"):
        exact = np.log(-np.log1p(-np.exp(logs)))
    return np.where(logs < TINY_LOG, logs, exact)
