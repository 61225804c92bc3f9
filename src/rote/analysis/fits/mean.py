"""A mean with its interval, by Student's t."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from rote.analysis.fits.level import LEVEL


def mean_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % for the mean of values drawn independently; raises ValueError below two of them."""
    if len(values) < 2:
        raise ValueError(f"an interval takes two values or more, got {len(values)}")
    error = float(values.std(ddof=1)) / np.sqrt(len(values))
    reach = float(student_t.ppf(0.5 + LEVEL / 2, len(values) - 1)) * error
    mean = float(values.mean())
    return mean - reach, mean + reach
