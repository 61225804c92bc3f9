"""A mean with its interval, by Student's t."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t

from rote.analysis.fits.level import LEVEL

ROUNDING = 1e-12  # relative: what differences of equal numbers leave


def mean_interval(values: ArrayLike) -> tuple[float, float] | None:
    """95 % for the mean of values drawn independently from about a normal distribution.

    None for fewer than two values and for values that are all equal, but for the last bits:
    nothing tells their spread.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < 2 or np.ptp(numbers) <= ROUNDING * np.abs(numbers).max():
        return None
    error = float(numbers.std(ddof=1)) / np.sqrt(len(numbers))
    reach = float(student_t.ppf(0.5 + LEVEL / 2, len(numbers) - 1)) * error
    mean = float(numbers.mean())
    return mean - reach, mean + reach
