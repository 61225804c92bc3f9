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
import polars as pl
from scipy.stats import t as student_t

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import paired_difference
from rote.analysis.fits.level import ENDS
from rote.analysis.fits.plateau import Plateau, fit_plateau
from rote.analysis.reports.capacity.summary import Alpha, Capacity, Summary

PAIR, STORED = ["seed", "task.num_sequences"], "memorised_bits"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Bits per parameter of the second format less the first."""

    first: str
    second: str
    bits_per_parameter: Estimate
    run_ids: tuple[str, ...]
    pairs: str  # "3 sizes", "2 seeds of one size", "no size in both"


def differences(summary: Summary) -> tuple[Difference, ...]:
    """Each format less the first one; none where nothing was measured in both."""
    found = (_difference(summary, summary.alphas[0], other) for other in summary.alphas[1:])
    return tuple(each for each in found if each)


def _difference(summary: Summary, first: Alpha, second: Alpha) -> Difference | None:
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
    """Differences of each size, one a seed."""
    others = {(each.shape, each.parameters): each for each in second.capacities}
    for mine in first.capacities:
        other = others.get((mine.shape, mine.parameters))
        if other is None:
            continue
        values = _on_shared_data(summary, mine, other)
        values = values if len(values) else _of_plateaus(summary, mine, other)
        if len(values):
            yield values


def _on_shared_data(summary: Summary, mine: Capacity, other: Capacity) -> np.ndarray:
    """Of each seed in both: the mean over the data sets in both that fill both models."""
    full_bits = max(mine.capacity_bits, other.capacity_bits)
    here, there = (
        summary.runs_of(each).filter(pl.col("ceiling_bits") >= full_bits).select(*PAIR, STORED)
        for each in (mine, other)
    )
    pairs = here.join(there, on=PAIR, suffix="_there").sort("seed")
    apart = (pl.col(f"{STORED}_there") - pl.col(STORED)).mean() / mine.parameters
    return pairs.group_by("seed", maintain_order=True).agg(apart.alias("apart"))["apart"].to_numpy()


def _of_plateaus(summary: Summary, mine: Capacity, other: Capacity) -> np.ndarray:
    """Of each seed with a plateau in both; else of the plateaus of all seeds."""
    if not (isinstance(mine.plateau, Plateau) and isinstance(other.plateau, Plateau)):
        return np.array([])
    here, there = (_seed_plateaus(summary, each) for each in (mine, other))
    seeds = sorted(here.keys() & there.keys())
    whole = other.bits_per_parameter.value - mine.bits_per_parameter.value
    return np.array([there[seed] - here[seed] for seed in seeds] or [whole])


def _seed_plateaus(summary: Summary, capacity: Capacity) -> dict[int, float]:
    found = {}
    for (seed,), runs in summary.runs_of(capacity).group_by("seed", maintain_order=True):
        plateau = fit_plateau(runs["ceiling_bits"].to_numpy(), runs["memorised_bits"].to_numpy())
        if isinstance(plateau, Plateau):
            found[int(str(seed))] = plateau.capacity_bits / capacity.parameters
    return found


def _unpaired(first: Alpha, second: Alpha) -> Difference | None:
    """Errors of the two means added as squares, Student's t of the smaller degrees of freedom.

    None where either has no plateau.
    """
    if first.slope is None or second.slope is None:
        return None
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
