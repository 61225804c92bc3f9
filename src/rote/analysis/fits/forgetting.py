"""Fit forgetting curves: bits memorised of a sequence against steps since it was last shown.

Two forms have two constants each, the bits right after the last showing and a rate:

    exponential  bits(t) = start * exp(-rate * t)
    power law    bits(t) = start * (1 - rate * ln(1 + t))

Chang et al. 2024 (arXiv 2406.11813, section 4.3) name the exponential as the form of earlier work.
They find instead that the retained share of the gain in log-probability falls linearly in ln t, so
that the probability is a power of t; ``rate`` is their decay constant.

All runs share the rate, and each has a start of its own, 0 or more: weighted least squares on the
means of a run over bins of age, each twice as wide as the one before. Means and not single
sequences are fitted, because the code of one sequence drifts: with starts of their own, sequences
that drift up would look like lasting memory. The interval of the rate is the jackknife's, Student's
t over the pseudo-values of leaving each run out, or each sequence of a single run. A half-life and
its interval follow from those of the rate. It is claimed only where bits were memorised beyond
doubt, the rate exceeds 0 beyond doubt, and the interval ends within `REACH` times the oldest age.
Shapes: N sequences, P values of all of them, A bins of age, R rates, K runs or sequences left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import polars as pl
from scipy.optimize import minimize_scalar

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import mean_over_seeds, student_interval
from rote.analysis.fits.uncertainty import Ints
from rote.core.arrays import Floats

FEWEST_BINS = 3  # a start, the rate, and one to check the fit
# Rates tried first, times the oldest age or its logarithm. Bits may also grow.
SCALED_RATES = np.concatenate([-np.geomspace(3, 0.01, 20), [0.0], np.geomspace(0.01, 300, 60)])
TINY = 1e-300  # of a shape that is 0 at all ages
REACH = 10  # times the oldest age: a half-life beyond is extrapolated too far
EXPONENTIAL, POWER_LAW = "exponential", "power law"
FORMS = (EXPONENTIAL, POWER_LAW)


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Bits memorised of sequences of one run, at all looks since each was last shown.

    Values of a sequence stand together, in the order of age.
    """

    sequences_P: Ints
    ages_P: Floats  # optimiser steps since it was last shown
    bits_P: Floats

    @cached_property
    def starts_N(self) -> Ints:
        """Where the values of each sequence begin."""
        return np.flatnonzero(np.diff(self.sequences_P, prepend=-1))

    @cached_property
    def ends_N2(self) -> Floats:
        """Bits of each sequence at its first and at its last look since it was last shown."""
        last_N = np.append(self.starts_N[1:], len(self.bits_P)) - 1
        return self.bits_P[np.stack([self.starts_N, last_N], axis=1)]

    @cached_property
    def bins(self) -> pl.DataFrame:
        """Mean ``age`` and ``bits`` and ``count`` by ``bin``, the whole part of log2(1 + age)."""
        bins = np.floor(np.log2(1 + self.ages_P)).astype(np.int64)
        values = pl.DataFrame({"bin": bins, "age": self.ages_P, "bits": self.bits_P})
        means = pl.col("age", "bits").mean()
        return values.group_by("bin").agg(means, count=pl.len()).sort("bin")

    def squares_R(self, form: str, rates_R: Floats) -> Floats:
        """Return the weighted sum of squared residuals at the best start, in bits squared."""
        ages_A, bits_A, counts_A = (self.bins[name].to_numpy() for name in ("age", "bits", "count"))
        shape_RA = shape(form, rates_R[:, None], ages_A)
        products_R = np.maximum(0.0, shape_RA @ (bits_A * counts_A))
        powers_R = np.maximum(shape_RA**2 @ counts_A, TINY)
        return np.asarray(bits_A**2 @ counts_A - products_R**2 / powers_R)

    def without(self, place: int) -> "Retention":
        """Leave one sequence out."""
        kept_P = np.cumsum(np.isin(np.arange(len(self.bits_P)), self.starts_N)) != place + 1
        return Retention(
            sequences_P=self.sequences_P[kept_P],
            ages_P=self.ages_P[kept_P],
            bits_P=self.bits_P[kept_P],
        )


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """The form that fits better, and its half-life, or why there is none."""

    acquired_bits: Estimate  # at the first look after the last showing, mean over sequences
    retained_bits: Estimate  # at the last look
    lost_bits: Estimate  # the difference, sequence by sequence
    form: str = ""  # empty if there are too few ages to fit any
    explained: Mapping[str, float]  # share of the variance between bins of a run, by form
    half_life_steps: Estimate | None = None
    reason: str = ""
    is_beyond: bool = False  # the half-life exceeds the oldest age


def forgetting(runs: Sequence[Retention]) -> Forgetting:
    """Fit both forms and choose the one of the smaller sum of squares; raises ValueError for none.

    Runs differ in their seed only.
    """
    if not runs:
        raise ValueError("no run whose sequences were looked at after they were last shown")
    ends_K2 = runs[0].ends_N2
    if len(runs) > 1:
        ends_K2 = np.array([run.ends_N2.mean(axis=0) for run in runs])
    acquired, retained, lost = map(mean_over_seeds, (*ends_K2.T, ends_K2 @ [1, -1]))
    found = partial(Forgetting, acquired_bits=acquired, retained_bits=retained, lost_bits=lost)
    if min(run.bins.height for run in runs) < FEWEST_BINS:
        reason = f"fewer than {FEWEST_BINS} ages after the last showing"
        return found(explained={}, reason=reason)
    rates = {form: _rate(runs, form) for form in FORMS}
    squares = {form: _squares_R(runs, form, np.array([rates[form]]))[0] for form in FORMS}
    spread = _squares_R(runs, EXPONENTIAL, np.zeros(1))[0]
    explained = {name: 1 - each / spread if spread else 0.0 for name, each in squares.items()}
    form = min(FORMS, key=lambda name: squares[name])
    if acquired.sign <= 0:
        reason = "nothing is memorised beyond doubt right after the last showing"
        return found(form=form, explained=explained, reason=reason)
    half_life, reason = _half_life(runs, form, rates[form])
    if half_life is None and lost.sign > 0:
        reason = "forgotten beyond doubt, at a rate that the looks do not determine"
    is_beyond = half_life is not None and half_life.value > _oldest(runs)
    return found(
        form=form, explained=explained, half_life_steps=half_life, reason=reason,
        is_beyond=is_beyond,
    )  # fmt: skip


def shape(form: str, rates: Floats, ages: Floats) -> Floats:
    """Return the curve over its start."""
    return np.exp(-rates * ages) if form == EXPONENTIAL else 1 - rates * np.log1p(ages)


def half_life_steps(form: str, rate: float) -> float:
    """Return the age at which half of the start is left; infinite for a rate of 0 or less."""
    if rate <= 0:
        return np.inf
    with np.errstate(over="ignore"):
        return float(np.log(2) / rate if form == EXPONENTIAL else np.expm1(1 / (2 * rate)))


def _half_life(runs: Sequence[Retention], form: str, rate: float) -> tuple[Estimate | None, str]:
    """Return the half-life in steps, or None and why."""
    of, left_out = "runs", [[*runs[:place], *runs[place + 1 :]] for place in range(len(runs))]
    if len(runs) == 1:
        of, (run,) = "sequences", runs
        left_out = [[run.without(place)] for place in range(len(run.starts_N))]
    if (number := len(left_out)) == 1:
        return None, "one sequence of one run: no interval"
    left_K = np.array([_rate(kept, form) for kept in left_out])
    interval = student_interval(number * rate - (number - 1) * left_K)
    if interval is None:
        return None, "all alike: no interval"
    longest, shortest = (half_life_steps(form, end) for end in interval)
    if longest > REACH * _oldest(runs):
        reason = "not forgotten beyond doubt within the looks"
        if np.isfinite(shortest):
            reason += f"; half of it after {shortest:,.0f} steps at the earliest"
        return None, reason
    value = half_life_steps(form, rate)
    ends = min(shortest, value), max(longest, value)
    return Estimate.of(value, ends, n=number, method=f"jackknife over {of}"), ""


def _rate(runs: Sequence[Retention], form: str) -> float:
    """Return the rate of least squares over all runs."""
    oldest = _oldest(runs)
    rates_R = SCALED_RATES / (oldest if form == EXPONENTIAL else np.log1p(oldest))
    best = int(np.argmin(_squares_R(runs, form, rates_R)))
    ends = rates_R[max(0, best - 1)], rates_R[min(len(rates_R) - 1, best + 1)]
    found = minimize_scalar(
        lambda rate: _squares_R(runs, form, np.array([rate]))[0], bounds=ends, method="bounded",
        options={"xatol": 1e-6 * (ends[1] - ends[0])},
    )  # fmt: skip
    return float(found.x)


def _squares_R(runs: Sequence[Retention], form: str, rates_R: Floats) -> Floats:
    return np.asarray(sum(run.squares_R(form, rates_R) for run in runs))


def _oldest(runs: Sequence[Retention]) -> float:
    return max(float(run.ages_P.max()) for run in runs)
