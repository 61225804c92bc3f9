"""Means over runs that differ in their seed alone, and over differences of such runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rote.analysis.fits.mean import mean_interval


@dataclass(frozen=True, kw_only=True)
class OverSeeds:
    """A mean; the interval, 95 %, is Student's t, and None for one run or for equal values.

    A geometric mean's is of the logarithms. Both cover as stated where runs, or their logarithms,
    scatter normally, from two on; that of a plain mean 90 to 93 % of the time where runs are as
    skewed as a log-normal of sigma 1/2.
    """

    value: float
    interval: tuple[float, float] | None
    num_runs: int

    @property
    def why_no_interval(self) -> str:
        """Why there is no interval: one run, or runs that agree to the last digit."""
        return "one run" if self.num_runs == 1 else f"equal in {self.num_runs} runs, no interval"

    @property
    def sign(self) -> int:
        """+1 or -1 where the interval leaves no doubt, 0 where it does."""
        low, high = self.interval or (-np.inf, np.inf)
        return int(low > 0) - int(high < 0)


def over_seeds(values: Sequence[float]) -> OverSeeds:
    """Raises ValueError where there are none."""
    if len(values) == 0:
        raise ValueError("no run to take a mean of")
    numbers = np.asarray(values, dtype=np.float64)
    return OverSeeds(
        value=float(numbers.mean()),
        interval=mean_interval(numbers),
        num_runs=len(numbers),
    )


def geometric_over_seeds(values: Sequence[float]) -> OverSeeds:
    """Of times and ratios, all above 0, as is their interval then; raises ValueError for none."""
    logs = over_seeds(np.log(values).tolist())
    low, high = logs.interval or (0.0, 0.0)
    return OverSeeds(
        value=math.exp(logs.value),
        interval=(math.exp(low), math.exp(high)) if logs.interval else None,
        num_runs=logs.num_runs,
    )
