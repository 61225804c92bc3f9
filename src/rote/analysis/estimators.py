"""Estimate means, rates, shares, differences and rank correlations, with 95 % intervals.

Shapes: K values, things or pairs; N values between two bounds, B draws of weights; S splits.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv
from scipy.stats import norm, spearmanr

from rote.analysis.estimate import (
    ENDS,
    LEVEL,
    Estimate,
    Interval,
    OverSplits,
    Rate,
    hull,
    interval_of,
    student,
)
from rote.core.arrays import Floats

STUDENT, ZOU_DONNER = "Student's t", "Zou and Donner 2008"
FEWEST_RANKED = 5  # things: with fewer, a rank correlation says nothing
EQUAL = 1e-12  # relative: rounding error of differences between equal numbers
NUM_DRAWS = 10_000  # draws of weights: quantiles then err by about 2 % of the interval's width
MOST_DRAWN = 300  # points: the weighted mean of more is about normal
BEYOND = 1e-6  # relative: float32 values may exceed their bound by this
SEED = 0


def student_interval(values_K: ArrayLike) -> Interval | None:
    """Return the interval of the mean of independent values that are about normal.

    None for fewer than two values, and for values that are equal up to rounding.
    """
    values = np.asarray(values_K, dtype=np.float64)
    if len(values) < 2 or np.ptp(values) <= EQUAL * np.abs(values).max():
        return None
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
    reach = student(len(values) - 1) * error
    return mean - reach, mean + reach


def mean_over_seeds(values_K: ArrayLike) -> Estimate:
    """Estimate the mean by Student's t over runs of different seeds; raises ValueError for none.

    It covers as stated from two runs on if they scatter normally, and 90 to 93 % of the time if
    they are as skewed as a log-normal of sigma 1/2.
    """
    values = np.asarray(values_K, dtype=np.float64)
    if len(values) == 0:
        raise ValueError("no run to take a mean of")
    one_run, equal = "one run", f"equal in {len(values)} runs, no interval"
    return Estimate.of(
        float(values.mean()), student_interval(values), n=len(values),
        method=f"{STUDENT} over runs", why_none=one_run if len(values) == 1 else equal,
    )  # fmt: skip


def geometric_mean(values_K: ArrayLike) -> Estimate:
    """Estimate the geometric mean of times or ratios, all > 0: `mean_over_seeds` of logarithms."""
    logs = mean_over_seeds(np.log(values_K))
    low, high = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
    return Estimate(
        value=math.exp(logs.value), low=low, high=high, n=logs.n,
        method=f"{STUDENT} over logarithms", why_none=logs.why_none,
    )  # fmt: skip


def mean_of_estimates(estimates: Sequence[Estimate]) -> Estimate:
    """Average the estimates and the ends of their intervals; raises ValueError for none.

    There is no interval if one of them has none.

    Estimates of several seeds or N share their held-out sequences, so their errors are similar. If
    reaches were added as squares, as for independent estimates, 95 % intervals would hold 83 % of
    AUROCs of three seeds whose shared non-members carry half of the variance. These intervals are
    right if all errors agree, and too wide otherwise.
    """
    if not estimates:
        raise ValueError("a mean takes one estimate or more")
    number = len(estimates)
    lows, highs = zip(*(each.ends for each in estimates), strict=True)
    lacking = next((each for each in estimates if each.interval is None), None)
    return Estimate.of(
        sum(each.value for each in estimates) / number,
        None if lacking else (sum(lows) / number, sum(highs) / number),
        n=number,
        method=f"mean of intervals: {estimates[0].method}",
        why_none=lacking.why_none if lacking else "",
    )


def bounded_mean(values_N: ArrayLike, *, least: float, most: float) -> Estimate:
    """Estimate the mean of independent values between known bounds, of any distribution.

    Student's t and bootstraps see only the spread of the drawn values: for 8 exposures of which 10
    % are as low as chance they hold the mean in 56 % of draws. Here each end is the mean of the
    values and one more at the bound, with weights that are Dirichlet(1, ..., 1): the shares of any
    continuous distribution between ordered draws (Gaffke 2005; Learned-Miller and Thomas 2019,
    arXiv 1905.06208). For values that are 0 or 1 it is Clopper and Pearson's. Its coverage for
    every bounded distribution is a conjecture; `benchmarks/coverage.py` counts it. Raises
    ValueError for no value, for bounds that do not rise and for a value beyond them.
    """
    values = np.sort(np.asarray(values_N, dtype=np.float64))
    slack = BEYOND * max(abs(least), abs(most))
    if not (len(values) and least < most):
        raise ValueError(
            f"a bounded mean takes a value and a range, got {len(values)} values from {least} "
            f"to {most}"
        )
    if not (values[0] >= least - slack and values[-1] <= most + slack):
        raise ValueError(f"values from {values[0]} to {values[-1]} pass {least} to {most}")
    low = _dirichlet_quantile(np.append(values, least), ENDS[0])
    high = _dirichlet_quantile(np.append(values, most), ENDS[1])
    ends = max(least, low), min(most, high)
    return Estimate.of(float(values.mean()), ends, n=len(values), method="bounded mean")


def _dirichlet_quantile(points: Floats, share: float) -> float:
    """Return a quantile of the Dirichlet-weighted mean; its variance is the points' over N + 1."""
    if len(points) > MOST_DRAWN:
        return float(points.mean() + norm.ppf(share) * points.std() / np.sqrt(len(points) + 1))
    weights_BN = np.random.default_rng(SEED).dirichlet(np.ones(len(points)), NUM_DRAWS)
    return float(np.quantile(weights_BN @ points, share))


def bootstrap(
    value: float, draws: Floats | Sequence[float], *, n: int, at_least: Interval | None = None
) -> Estimate:
    """Return percentiles of resampled values; the interval spans at least ``at_least``."""
    ends = interval_of(draws)
    return Estimate.of(value, hull(ends, at_least) if at_least else ends, n=n, method="bootstrap")


def clopper_pearson(successes: float, trials: float) -> Interval:
    """Return a rate's interval (Clopper and Pearson 1934); fractions by the beta distribution."""
    failures = trials - successes
    low = float(betaincinv(successes, failures + 1, ENDS[0])) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, failures, ENDS[1])) if failures > 0 else 1.0
    return low, high


def rate(successes: int, trials: int, *, times_asked: int = 1) -> Rate:
    """Return successes over trials with the exact interval, which covers at least 95 %.

    Things that several models were asked count once, with the mean over the models.
    """
    low, high = clopper_pearson(successes / times_asked, trials / times_asked)
    return Rate(
        value=float(successes / trials) if trials else math.nan, low=low, high=high,
        n=trials // times_asked, method="Clopper-Pearson", successes=int(successes),
        trials=int(trials), times_asked=times_asked,
    )  # fmt: skip


def pooled(rates: Iterable[Rate], *, same_things: bool = False) -> Rate:
    """Add up counts; ``same_things``: each rate is of the same things, by another model."""
    added = list(rates)
    return rate(
        sum(each.successes for each in added),
        sum(each.trials for each in added),
        times_asked=len(added) if same_things else 1,
    )


@dataclass(frozen=True, kw_only=True)
class AnswersOfSplits:
    """The answers of one run."""

    split: Hashable
    seed: int
    rate: Rate


def share(answers: Sequence[AnswersOfSplits]) -> OverSplits:
    """Return the mean over held-out splits of means over seeds; raises ValueError for no run.

    Runs of one split share their items, so the interval is over splits: Student's t over their
    means (over seeds if there is one split), and at least Clopper and Pearson's over all answers,
    since a few runs that agree give the first no width. If each split is answered either whole or
    not at all, fewer than 20 splits cover 84 to 89 %.
    """
    if not answers:
        raise ValueError("no run that answered")
    values = [(each.split, each.rate.value) for each in answers]
    return _over_splits(values, pooled(each.rate for each in answers), least=0.0)


def share_difference(
    larger: Sequence[AnswersOfSplits], smaller: Sequence[AnswersOfSplits]
) -> OverSplits | None:
    """Return the difference over splits and seeds that both have; None if they share none.

    It is computed as `share`, with the `difference` of the pooled rates in place of Clopper and
    Pearson's interval.
    """
    ours, theirs = (
        {(each.split, each.seed): each.rate for each in answers} for answers in (larger, smaller)
    )
    both = [key for key in ours if key in theirs]
    if not both:
        return None
    values = [(key[0], ours[key].value - theirs[key].value) for key in both]
    together = difference(*(pooled(rates[key] for key in both) for rates in (ours, theirs)))
    return _over_splits(values, together, least=-1.0)


def _over_splits(
    values: Sequence[tuple[Hashable, float]], together: Estimate, *, least: float
) -> OverSplits:
    """Combine (split, value of a run) pairs; values lie between ``least`` and 1."""
    splits: dict[Hashable, list[float]] = {}
    for split, value in values:
        splits.setdefault(split, []).append(value)
    means_S = [float(np.mean(listed)) for listed in splits.values()]
    scattered = student_interval(means_S if len(means_S) > 1 else [value for _, value in values])
    ends = together.ends
    if scattered is not None:
        ends = hull((max(least, scattered[0]), min(1.0, scattered[1])), ends)
    return OverSplits(
        value=float(np.mean(means_S)), low=ends[0], high=ends[1], n=len(values),
        method=f"{STUDENT} over splits, at least {together.method}", num_splits=len(splits),
    )  # fmt: skip


def difference(one: Estimate, other: Estimate) -> Estimate:
    """Return the first minus the second as independent estimates.

    The interval is too wide if both vary together. Reaches add as squares, separately on each side
    (Zou and Donner 2008, Statistics in Medicine 27). For two rates it is Newcombe's method (1998).
    """
    value, (low, high), (other_low, other_high) = one.value - other.value, one.ends, other.ends
    below = math.hypot(one.value - low, other_high - other.value)
    above = math.hypot(high - one.value, other.value - other_low)
    return Estimate.of(
        value, (value - below, value + above), n=min(one.n, other.n), method=ZOU_DONNER
    )


def paired_difference(differences_K: ArrayLike, *, fewest: int = 2) -> Estimate:
    """Return the mean of paired differences; no interval below ``fewest`` pairs, or if equal.

    Raises ValueError for no pair.
    """
    mean = mean_over_seeds(differences_K)
    few = f"{mean.n} pairs, fewer than {fewest}"
    why_none = "one pair, no interval" if mean.n == 1 else few
    return Estimate.of(
        mean.value, mean.interval if mean.n >= fewest else None, n=mean.n,
        method=f"{STUDENT} over pairs",
        why_none=why_none if mean.n < fewest else "all pairs alike, no interval",
    )  # fmt: skip


def rank_correlation(one_K: ArrayLike, other_K: ArrayLike) -> Estimate | None:
    """Return Spearman's rho; None below `FEWEST_RANKED` things, or for constant values.

    The interval is Bonett and Wright's (2000): Fisher's z has variance (1 + rho^2 / 2) / (K - 3).
    If |rho| is 1, z is infinite, and the interval is that of rho reduced by half a swap of two
    neighbours: without it 60 % of 95 % intervals held a true rho of 0.95 over 5 things, with it 98
    %. A true |rho| above 0.98 is held 85 to 95 % of the time. Raises ValueError for different
    lengths.
    """
    ones, others = np.asarray(one_K, np.float64), np.asarray(other_K, np.float64)
    if ones.shape != others.shape or ones.ndim != 1:
        raise ValueError(f"pairs need two values of each thing, got {ones.shape}, {others.shape}")
    number = len(ones)
    if number < FEWEST_RANKED or np.ptp(ones) == 0 or np.ptp(others) == 0:
        return None
    rho = min(1.0, max(-1.0, float(spearmanr(ones, others).statistic)))
    most = 1 - 6 / (number * (number**2 - 1))  # a swap of neighbours subtracts twice as much
    centre = math.atanh(min(most, max(-most, rho)))
    reach = float(norm.ppf(0.5 + LEVEL / 2)) * math.sqrt((1 + rho**2 / 2) / (number - 3))
    low, high = math.tanh(centre - reach), math.tanh(centre + reach)
    return Estimate.of(rho, (min(low, rho), max(high, rho)), n=number, method="Bonett and Wright")
