"""Shares of right answers over runs that differ in split and seed alone.

Runs of one split share their held-out items, so splits are what an interval is over: a split counts
with the mean of its seeds. Shapes: S splits, K seeds of one.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rote.analysis.fits.level import hull
from rote.analysis.fits.mean import mean_interval
from rote.analysis.quantities.rate import Rate, pooled

Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How one run answered."""

    split: Hashable
    seed: int
    rate: Rate


@dataclass(frozen=True, kw_only=True)
class Share:
    """The mean over splits of means over seeds.

    The interval, 95 %, holds both Student's t over splits (over seeds where there is one split) and
    that of Clopper and Pearson over all answers: a few runs that agree would leave the first one no
    width. Where a split is either answered whole or not at all, fewer than 20 cover 84 to 89 %.
    """

    value: float
    interval: Interval
    pooled: Rate  # all answers added up
    num_splits: int
    num_runs: int


@dataclass(frozen=True, kw_only=True)
class Apart:
    """A share less another one, over the splits and seeds that both have; 95 %, as `Share`'s.

    In place of Clopper and Pearson's interval: the two put together (Newcombe 1998).
    """

    value: float
    interval: Interval
    num_splits: int
    num_runs: int  # pairs of them


def share(answers: Sequence[Answers]) -> Share:
    """Raises ValueError where there are none."""
    if not answers:
        raise ValueError("no run that answered")
    together = pooled(each.rate for each in answers)
    values_SK = _by_split([(each.split, each.rate.value) for each in answers])
    return Share(
        value=_mean(values_SK),
        interval=_over_splits(values_SK, together.interval, least=0.0),
        pooled=together,
        num_splits=len(values_SK),
        num_runs=len(answers),
    )


def apart(larger: Sequence[Answers], smaller: Sequence[Answers]) -> Apart | None:
    """None where no split and seed is in both."""
    ours = {(each.split, each.seed): each for each in larger}
    theirs = {(each.split, each.seed): each for each in smaller}
    both = [key for key in ours if key in theirs]
    if not both:
        return None
    values_SK = _by_split([(key[0], ours[key].rate.value - theirs[key].rate.value) for key in both])
    together = (pooled(side[key].rate for key in both) for side in (ours, theirs))
    return Apart(
        value=_mean(values_SK),
        interval=_over_splits(values_SK, _newcombe(*together), least=-1.0),
        num_splits=len(values_SK),
        num_runs=len(both),
    )


def _by_split(values: Sequence[tuple[Hashable, float]]) -> list[Floats]:
    splits: dict[Hashable, list[float]] = {}
    for split, value in values:
        splits.setdefault(split, []).append(value)
    return [np.array(listed) for listed in splits.values()]


def _mean(values_SK: Sequence[Floats]) -> float:
    return float(np.mean([values_K.mean() for values_K in values_SK]))


def _over_splits(values_SK: Sequence[Floats], exact: Interval, *, least: float) -> Interval:
    """Student's t over splits, within what a share or a difference can be, and the exact one."""
    means_S = [values_K.mean() for values_K in values_SK]
    scattered = mean_interval(means_S if len(means_S) > 1 else values_SK[0])
    if scattered is None:
        return exact
    return hull((max(least, scattered[0]), min(1.0, scattered[1])), exact)


def _newcombe(ours: Rate, theirs: Rate) -> Interval:
    """Of ours less theirs, from the intervals of the two (square and add)."""
    (low, high), (their_low, their_high) = ours.interval, theirs.interval
    difference = ours.value - theirs.value
    return (
        difference - math.hypot(ours.value - low, their_high - theirs.value),
        difference + math.hypot(high - ours.value, theirs.value - their_low),
    )
