"""The one confidence level of every interval in a report."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

Floats = NDArray[np.float64]

LEVEL = 0.95
ENDS = (0.5 - LEVEL / 2, 0.5 + LEVEL / 2)  # shares of draws that lie below an interval's ends

ENDLESS = 1e300  # stands for an infinite draw, since no quantile lies between it and a finite one


def student(degrees: float) -> float:
    """Half the width of an interval over its standard error, for so many degrees of freedom."""
    return float(student_t.ppf(ENDS[1], degrees))


def interval_of(draws: Floats | Sequence[float]) -> tuple[float, float]:
    """Where the middle 95 % of a bootstrap's draws lie."""
    low, high = band_of(draws)
    return float(low), float(high)


def band_of(draws: Floats | Sequence[Floats] | Sequence[float]) -> tuple[Floats, Floats]:
    """The same at each place of curves [draws, ...]."""
    low, high = np.quantile(np.clip(draws, -ENDLESS, ENDLESS), ENDS, axis=0)
    return low, high


def hull(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """What reaches as far as both: it covers at least as often as either."""
    return min(first[0], second[0]), max(first[1], second[1])
