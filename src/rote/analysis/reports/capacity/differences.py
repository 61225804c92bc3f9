"""Test by paired differences whether two formats hold different amounts.

Intervals of two means may overlap although the formats differ at every size, and may be separate if
the sizes differ. Formats are therefore compared size by size: the difference in bits per parameter
at a size is the mean over its seeds, whose data sets are the same in both formats, and its interval
is Student's t over sizes (over seeds if there is a single size).
"""

from dataclasses import dataclass
from math import hypot

import numpy as np
import polars as pl

from rote.analysis.estimate import Estimate, plural, student
from rote.analysis.estimators import paired_difference
from rote.analysis.fits.plateau import Plateau, fit_plateau
from rote.analysis.reports.capacity.study import DATA, Alpha, CapacityOfSize, Study

STORED = "memorised_bits"


@dataclass(frozen=True, kw_only=True, eq=False)
class Difference:
    """Bits per parameter of the second format minus the first."""

    first: Alpha
    second: Alpha
    bits_per_parameter: Estimate
    pairs: str  # "3 sizes", "2 seeds of one size", "no size in both"

    @property
    def formats(self) -> str:
        """The two formats, as "second less first"."""
        return f"{self.second.format} less {self.first.format}"

    @property
    def is_of_bounds(self) -> bool:
        """Whether longer training may change either value."""
        return self.first.is_lower_bound or self.second.is_lower_bound


def differences(study: Study) -> tuple[Difference, ...]:
    """Return each format minus the first; none if nothing was measured in both."""
    first, *others = study.alphas
    found = (_difference(first, other) for other in others)
    return tuple(each for each in found if each)


def _difference(first: Alpha, second: Alpha) -> Difference | None:
    by_size = _by_size(first, second)
    if by_size:
        is_one = len(by_size) == 1
        values = by_size[0] if is_one else np.array([each.mean() for each in by_size])
        found = paired_difference(values)
        pairs = f"{plural(found.n, 'seed')} of one size" if is_one else f"{found.n} sizes"
    elif first.slope and second.slope:
        found, pairs = _unpaired(first, second), "no size in both"
    else:
        return None
    return Difference(first=first, second=second, bits_per_parameter=found, pairs=pairs)


def _by_size(first: Alpha, second: Alpha) -> list[np.ndarray]:
    """Return the differences at each size in both formats, one per seed."""
    others = {each.size: each for each in second.capacities}
    both = [(mine, others[mine.size]) for mine in first.capacities if mine.size in others]
    found = [
        shared if len(shared := _on_shared_data(*pair)) else _of_plateaus(*pair) for pair in both
    ]
    return [each for each in found if len(each)]


def _on_shared_data(mine: CapacityOfSize, other: CapacityOfSize) -> np.ndarray:
    """Return, per shared seed, the mean over the shared data sets that fill both models."""
    full_bits = max(mine.capacity_bits, other.capacity_bits)
    here, there = (
        each.runs.filter(pl.col("ceiling_bits") >= full_bits).select("seed", DATA, STORED)
        for each in (mine, other)
    )
    pairs = here.join(there, on=["seed", DATA], suffix="_there").sort("seed")
    apart = (pl.col(f"{STORED}_there") - pl.col(STORED)).mean() / mine.parameters
    return pairs.group_by("seed", maintain_order=True).agg(apart.alias("apart"))["apart"].to_numpy()


def _of_plateaus(mine: CapacityOfSize, other: CapacityOfSize) -> np.ndarray:
    """Return the difference per seed with a plateau in both; else that of the overall plateaus."""
    if not (isinstance(mine.plateau, Plateau) and isinstance(other.plateau, Plateau)):
        return np.array([])
    here, there = map(_seed_plateaus, (mine, other))
    seeds = sorted(here.keys() & there.keys())
    whole = other.bits_per_parameter.value - mine.bits_per_parameter.value
    return np.array([there[seed] - here[seed] for seed in seeds] or [whole])


def _seed_plateaus(capacity: CapacityOfSize) -> dict[int, float]:
    """Return the plateau of each seed, in bits per parameter."""
    found = {}
    for runs in capacity.runs.partition_by("seed", maintain_order=True):
        plateau = fit_plateau(runs["ceiling_bits"].to_numpy(), runs[STORED].to_numpy())
        if isinstance(plateau, Plateau):
            found[int(runs["seed"][0])] = plateau.capacity_bits / capacity.parameters
    return found


def _unpaired(first: Alpha, second: Alpha) -> Estimate:
    """Add the errors of both means as squares; Student's t has the smaller degrees of freedom."""
    assert first.slope and second.slope
    slopes = (first.slope, second.slope)
    error = hypot(*(each.standard_error for each in slopes))
    degrees = min(each.degrees for each in slopes)
    reach = student(degrees) * error
    value = second.bits_per_parameter.value - first.bits_per_parameter.value
    return Estimate.of(
        value,
        (value - reach, value + reach),
        n=min(each.mean.n for each in slopes),
        method="Student's t of two independent means",
    )
