"""Whether two number formats (or settings) hold different amounts: a paired difference.

Intervals of two means may overlap although the formats differ at every size, and be apart where
sizes are different ones. Formats are therefore compared size by size: the difference in bits per
parameter of a size is the mean over its seeds, whose data sets are the same in both formats, and
its interval is Student's t over sizes (over the seeds of a single size).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot

import numpy as np
from scipy.stats import t as student_t

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import paired_difference
from rote.analysis.fits.level import ENDS
from rote.analysis.fits.plateau import Plateau, fit_plateau
from rote.analysis.reports.capacity.summary import Alpha, Capacity, Summary


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Bits per parameter of the second format less the first."""

    first: str
    second: str
    bits_per_parameter: Estimate
    run_ids: tuple[str, ...]
    pairs: str  # "3 sizes", "2 seeds of one size", "no size in both"


def differences(summary: Summary) -> tuple[Difference, ...]:
    """Each format less the first one; none for one format or without plateaus."""
    fitted = [alpha for alpha in summary.alphas if alpha.slope]
    return tuple(_difference(summary, fitted[0], other) for other in fitted[1:])


def _difference(summary: Summary, first: Alpha, second: Alpha) -> Difference:
    by_size = list(_by_size(summary, first, second))
    if not by_size:
        return _unpaired(first, second)
    means = np.array([each.mean() for each in by_size])
    values = means if len(means) > 1 else by_size[0]
    noun = "size" if len(means) > 1 else "seed"
    return Difference(
        first=first.format,
        second=second.format,
        run_ids=(*first.run_ids, *second.run_ids),
        bits_per_parameter=paired_difference(values),
        pairs=f"{len(values)} {noun}{'' if len(values) == 1 else 's'}"
        + ("" if noun == "size" else " of one size"),
    )


def _by_size(summary: Summary, first: Alpha, second: Alpha) -> Iterator[np.ndarray]:
    """Differences of each size that has a plateau in both: one a seed, or one for all seeds."""
    others = {(each.shape, each.parameters): each for each in second.capacities}
    for mine in first.capacities:
        other = others.get((mine.shape, mine.parameters))
        if other is None or not all(isinstance(c.plateau, Plateau) for c in (mine, other)):
            continue
        here, there = (_by_seed(summary, each) for each in (mine, other))
        seeds = sorted(here.keys() & there.keys())
        whole = other.bits_per_parameter.value - mine.bits_per_parameter.value
        yield np.array([there[seed] - here[seed] for seed in seeds] or [whole])


def _by_seed(summary: Summary, capacity: Capacity) -> dict[int, float]:
    """Bits per parameter of the plateau of each seed that has one."""
    found = {}
    for (seed,), runs in summary.runs_of(capacity).group_by("seed", maintain_order=True):
        plateau = fit_plateau(runs["ceiling_bits"].to_numpy(), runs["memorised_bits"].to_numpy())
        if isinstance(plateau, Plateau):
            found[int(str(seed))] = plateau.capacity_bits / capacity.parameters
    return found


def _unpaired(first: Alpha, second: Alpha) -> Difference:
    """Errors of the two means added as squares, Student's t of the smaller degrees of freedom."""
    assert first.slope is not None and second.slope is not None
    slopes = (first.slope, second.slope)
    error = hypot(*(each.standard_error_bits_per_parameter for each in slopes))
    degrees = min(each.degrees_of_freedom for each in slopes)
    reach = float(student_t.ppf(ENDS[1], degrees) * error)
    value = second.bits_per_parameter.value - first.bits_per_parameter.value
    return Difference(
        first=first.format,
        second=second.format,
        run_ids=(*first.run_ids, *second.run_ids),
        bits_per_parameter=Estimate.of(
            value,
            (value - reach, value + reach),
            n=min(each.bits_per_parameter.n for each in slopes),
            method="Student's t of two independent means",
        ),
        pairs="no size in both",
    )
