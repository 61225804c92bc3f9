"""Shares of right answers over runs that differ in split and seed alone.

Runs of one split share their held-out items, so splits are what is resampled, and seeds within
each. Shapes: R runs, S splits, K seeds of a split at most, B resamples.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rote.analysis.fits.level import interval_of
from rote.analysis.quantities.rate import Rate, pooled

Floats = NDArray[np.float64]
Interval = tuple[float, float]

NUM_RESAMPLES = 2000
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How one run answered."""

    split: Hashable
    seed: int
    rate: Rate


@dataclass(frozen=True, kw_only=True)
class Share:
    """The mean over splits of means over seeds.

    The interval, 95 %, holds both that of a bootstrap over splits and seeds and that of Clopper
    and Pearson over all answers: a few runs that agree would leave the first one no width.
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
        interval=_hull(_bootstrap(values_SK), together.interval),
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
        interval=_hull(_bootstrap(values_SK), _newcombe(*together)),
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


def _bootstrap(values_SK: Sequence[Floats]) -> Interval | None:
    """None for one run alone."""
    if sum(map(len, values_SK)) < 2:
        return None
    random = np.random.default_rng(SEED)
    num_splits, most = len(values_SK), max(map(len, values_SK))
    sizes_S = np.array(list(map(len, values_SK)))
    padded_SK = np.array([np.pad(values_K, (0, most - len(values_K))) for values_K in values_SK])
    splits_BS = random.integers(num_splits, size=(NUM_RESAMPLES, num_splits))
    sizes_BS1 = sizes_S[splits_BS][..., None]
    drawn_BSK = random.integers(sizes_BS1, size=(NUM_RESAMPLES, num_splits, most))
    counted_BSK = np.arange(most) < sizes_BS1
    sums_BS = (padded_SK[splits_BS[..., None], drawn_BSK] * counted_BSK).sum(axis=2)
    means_B = (sums_BS / sizes_BS1[..., 0]).mean(axis=1)
    return interval_of(means_B)


def _hull(first: Interval | None, second: Interval) -> Interval:
    if first is None:
        return second
    return min(first[0], second[0]), max(first[1], second[1])


def _newcombe(ours: Rate, theirs: Rate) -> Interval:
    """Of ours less theirs, from the intervals of the two (square and add)."""
    (low, high), (their_low, their_high) = ours.interval, theirs.interval
    difference = ours.value - theirs.value
    return (
        difference - math.hypot(ours.value - low, their_high - theirs.value),
        difference + math.hypot(high - ours.value, theirs.value - their_low),
    )
