"""Fit forgetting curves: bits memorised of a sequence against steps since it was last shown.

Two forms have two constants each, the bits right after the last showing and a rate:

    exponential  bits(t) = start * exp(-rate * t)
    power law    bits(t) = start * (1 - rate * ln(1 + t))

Chang et al. 2024 (arXiv 2406.11813, section 4.3) name the exponential as the form of earlier work.
They find instead that the retained share of the gain in log-probability falls linearly in ln t, so
that the probability is a power of t; ``rate`` is their decay constant.

All sequences of a run share the rate, and each has a start of its own, 0 or more: least squares.
Student's t over runs gives the interval of the rate; for one run it is over the pseudo-values of
leaving each sequence out (the jackknife). A half-life and its interval follow from those of the
rate. It is claimed only where bits were memorised beyond doubt, the rate exceeds 0 beyond doubt,
and the interval ends within `REACH` times the oldest age.
Shapes: N sequences, P values of all of them, R rates, K runs or pseudo-values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import mean_over_seeds, student_interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST_AGES = 3  # of a sequence: its start, the rate, and one to check the fit
# Rates tried first, times the oldest age or its logarithm. Bits may also grow.
SCALED_RATES = np.concatenate([-np.geomspace(3, 0.01, 20), [0.0], np.geomspace(0.01, 300, 60)])
REACH = 10  # times the oldest age: a half-life beyond is extrapolated too far
EXPONENTIAL, POWER_LAW = "exponential", "power law"
FORMS = (EXPONENTIAL, POWER_LAW)
JACKKNIFE, OVER_RUNS = "Student's t, leaving each sequence out", "Student's t over runs"


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
    def by_age(self) -> Mapping[int, tuple[float, float]]:
        """Mean age and bits in bins of age, each twice as wide as the one before; 0 is age 0."""
        bins, bin_P = np.unique(np.floor(np.log2(1 + self.ages_P)), return_inverse=True)
        means = (
            np.bincount(bin_P, each) / np.bincount(bin_P) for each in (self.ages_P, self.bits_P)
        )
        return dict(zip(bins.astype(int).tolist(), zip(*means, strict=True), strict=True))

    def squares_RN(self, form: str, rates_R: Floats) -> Floats:
        """Return each sequence's sum of squared residuals at its best start, in bits squared."""
        shape_RP = shape(form, rates_R[:, None], self.ages_P)
        products_RN, powers_RN, bits_N = (
            np.add.reduceat(each, self.starts_N, axis=-1)
            for each in (shape_RP * self.bits_P, shape_RP**2, self.bits_P**2)
        )
        explained_RN = np.maximum(0.0, products_RN) ** 2 / np.maximum(powers_RN, 1e-300)
        return np.asarray(bits_N - explained_RN)

    def rate(self, form: str, *, without: int | None = None) -> float:
        """Return the rate of least squares; ``without`` leaves one sequence out."""
        kept_N = np.arange(len(self.starts_N)) != (-1 if without is None else without)
        oldest = float(self.ages_P.max())
        rates_R = SCALED_RATES / (oldest if form == EXPONENTIAL else np.log1p(oldest))

        def squares_R(rates_R: Floats) -> Floats:
            return np.asarray(self.squares_RN(form, rates_R) @ kept_N)

        best = int(np.argmin(squares_R(rates_R)))
        ends = rates_R[max(0, best - 1)], rates_R[min(len(rates_R) - 1, best + 1)]
        found = minimize_scalar(
            lambda rate: squares_R(np.array([rate]))[0], bounds=ends, method="bounded",
            options={"xatol": 1e-6 * (ends[1] - ends[0])},
        )  # fmt: skip
        return float(found.x)


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """The form that fits better, and its half-life, or why there is none."""

    acquired_bits: Estimate  # at the first look after the last showing, mean over sequences
    retained_bits: Estimate  # at the last look
    form: str = ""  # empty if there are too few ages to fit any
    explained: Mapping[str, float]  # share of the variance within sequences, by form
    half_life_steps: Estimate | None = None
    reason: str = ""
    is_beyond: bool = False  # the half-life exceeds the oldest age


def forgetting(runs: Sequence[Retention]) -> Forgetting:
    """Fit both forms to each run; choose the one of the smaller sum of squares over all runs.

    Raises ValueError for no run.
    """
    if not runs:
        raise ValueError("no run whose sequences were looked at after they were last shown")
    acquired, retained = (_mean_bits(runs, end) for end in (0, 1))
    if max(np.diff(run.starts_N, append=len(run.bits_P)).max() for run in runs) < FEWEST_AGES:
        reason = f"fewer than {FEWEST_AGES} looks after the last showing"
        return Forgetting(
            acquired_bits=acquired, retained_bits=retained, explained={}, reason=reason
        )
    rates = {form: [run.rate(form) for run in runs] for form in FORMS}
    squares = {form: _squares(runs, form, rates[form]) for form in FORMS}
    spread = _squares(runs, EXPONENTIAL, [0.0] * len(runs))
    form = min(FORMS, key=lambda name: squares[name])
    half_life, reason = None, "nothing is memorised beyond doubt right after the last showing"
    if acquired.sign > 0:
        half_life, reason = _half_life(runs, form, rates[form])
    return Forgetting(
        acquired_bits=acquired, retained_bits=retained, form=form, reason=reason,
        explained={name: 1 - each / spread if spread else 0.0 for name, each in squares.items()},
        half_life_steps=half_life,
        is_beyond=half_life is not None and half_life.value > _oldest(runs),
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


def _half_life(
    runs: Sequence[Retention], form: str, rates: Sequence[float]
) -> tuple[Estimate | None, str]:
    """Return the half-life in steps, or None and why."""
    values_K = np.array(rates) if len(runs) > 1 else _pseudo_rates(runs[0], form, rates[0])
    interval = student_interval(values_K)
    if interval is None:
        return None, "one sequence of one run, or all alike: no interval"
    longest, shortest = (half_life_steps(form, end) for end in interval)
    if longest > REACH * _oldest(runs):
        reason = "not forgotten beyond doubt within the looks"
        if np.isfinite(shortest):
            reason += f"; if at all, half of it after {shortest:,.0f} steps or more"
        return None, reason
    value = half_life_steps(form, float(values_K.mean()))
    method = OVER_RUNS if len(runs) > 1 else JACKKNIFE
    return Estimate.of(value, (shortest, longest), n=len(values_K), method=method), ""


def _pseudo_rates(run: Retention, form: str, rate: float) -> Floats:
    """Return the jackknife's pseudo-values of the rate, [N]."""
    number = len(run.starts_N)
    if number == 1:
        return np.array([rate])
    left_N = np.array([run.rate(form, without=each) for each in range(number)])
    return np.asarray(number * rate - (number - 1) * left_N)


def _squares(runs: Sequence[Retention], form: str, rates: Sequence[float]) -> float:
    pairs = zip(runs, rates, strict=True)
    return sum(float(run.squares_RN(form, np.array([rate])).sum()) for run, rate in pairs)


def _mean_bits(runs: Sequence[Retention], end: int) -> Estimate:
    """Estimate the mean over runs; of one run over its sequences."""
    if len(runs) == 1:
        return mean_over_seeds(runs[0].ends_N2[:, end])
    return mean_over_seeds([run.ends_N2[:, end].mean() for run in runs])


def _oldest(runs: Sequence[Retention]) -> float:
    return max(float(run.ages_P.max()) for run in runs)
