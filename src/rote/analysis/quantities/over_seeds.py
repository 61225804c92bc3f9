"""Means over runs that differ in their seed alone, and over differences of such runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rote.analysis.fits.mean import mean_interval


@dataclass(frozen=True, kw_only=True)
class OverSeeds:
    """A mean; the interval, 95 %, is Student's t, and None for one run alone.

    A geometric mean's is of the logarithms.
    """

    value: float
    interval: tuple[float, float] | None
    num_runs: int

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
        interval=mean_interval(numbers) if len(numbers) > 1 else None,
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
