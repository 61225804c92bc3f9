"""Warn about a fit: unidentified constants, outliers, influential runs, and unusual noise.

Noise is unusual if it is unequal, or if residuals depend on each other. A run is influential if it
determines its own prediction, or if a few such runs decide a constant. For the latter the law is
refitted without the most influential runs. These are found to first order, for each constant and
each direction (Broderick, Giordano and Meager 2020, arXiv 2011.14999: approximate maximum
influence); the refits are exact.
Shapes: M runs, K constants, R sets of runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import spearmanr

from rote.analysis.fits.regression import solve
from rote.analysis.fits.uncertainty import GAUSSIAN_MEDIAN, RegressionFit, leverage, regression_fit
from rote.analysis.laws.clusters import FEWEST_BESIDE, alike, cluster_numbers
from rote.analysis.laws.law import Floats, Law, LawData

GREATEST_CONDITION = 1e6  # largest condition of the normal matrix at unit diagonal
GREATEST_CORRELATION = 0.99
GREATEST_ERROR = 0.5  # relative standard error of a constant
FAR = 6.0  # robust deviations: 1,000 Gaussian residuals reach it in one of 500,000 cases
MOST_NAMED = 5
CARRIES = 0.5  # leverage: the run decides more of its prediction than all others do
TYPICAL = 3.0  # times the mean leverage K / M; below, the design is simply small
SURE = 0.01  # level of the tests, over all inputs together
EXACT = 1e-8  # rms residual of ln(output) below which nothing is left to test


@dataclass(frozen=True, kw_only=True)
class LawFit(RegressionFit):
    """The regression of a law on measured runs."""

    law: Law
    measured: LawData
    clusters: str  # the kind that standard errors allow for; empty for none

    @property
    def names(self) -> list[str]:
        """Names of the constants, in order."""
        return list(self.law.constants)

    def run(self, row: int) -> str:
        """Describe a run as "3 (parameters 1e+06, ...)"."""
        shown = (f"{name} {each[row]:.3g}" for name, each in self.measured.columns.items())
        return f"{row + 1} ({', '.join(shown)})"


def identification(fit: LawFit) -> Iterator[str]:
    """Warn about constants that the runs do not identify, or not separately."""
    names, bounds_K2 = fit.names, fit.problem.bounds_K2
    for name, value, (low, high), error in zip(
        names, fit.best_K, bounds_K2, fit.errors_K, strict=True
    ):
        if value <= low:
            yield f"{name} fell to the least value tried, {np.exp(low):.3g}: no run shows it"
        elif value >= high:
            yield f"{name} rose to the greatest value tried, {np.exp(high):.3g}"
        elif np.isnan(error):
            yield f"{name} is free: no run depends on it"
        elif error > GREATEST_ERROR:
            yield f"{name} is weakly determined: its standard error is {100 * error:.0f} % of it"
    correlation = np.nan_to_num(fit.correlation_KK)
    for i, j in combinations(range(len(names)), 2):
        if abs(correlation[i, j]) > GREATEST_CORRELATION:
            yield (
                f"{names[i]} and {names[j]} move together (correlation {correlation[i, j]:.4f}): "
                "the curve determines them only as a pair"
            )
    if fit.condition > GREATEST_CONDITION:
        yield (
            f"the normal matrix has condition {fit.condition:.1g} at unit diagonal: "
            "some combination of constants is free"
        )


def about_residuals(fit: LawFit) -> Iterator[str]:
    """Warn about residuals that are large, unequal or correlated."""
    if np.sqrt((fit.log_residuals_M**2).mean()) < EXACT:
        return
    yield from _outliers(fit)
    yield from _carrying(fit)
    yield from _unequal(fit)
    for kind, correlation in alike(fit.measured, fit.log_residuals_M).items():
        if kind != fit.clusters:
            yield _alike(fit, kind, correlation)


def _outliers(fit: LawFit) -> Iterator[str]:
    residuals = fit.log_residuals_M
    scale = float(np.median(np.abs(residuals))) / GAUSSIAN_MEDIAN
    far = np.flatnonzero(np.abs(residuals) > FAR * max(scale, EXACT))
    if not len(far):
        return
    worst = far[np.argsort(-np.abs(residuals[far]), kind="stable")][:MOST_NAMED].tolist()
    named = ", ".join(
        f"run {fit.run(row)} {100 * np.expm1(residuals[row]):+.1f} %" for row in worst
    )
    more = f" and {len(far) - len(worst)} more" if len(far) > len(worst) else ""
    yield (
        f"{len(far)} of {len(residuals)} runs lie more than {FAR:g} robust deviations "
        f"({100 * scale:.2g} %) off the law: {named}{more}"
    )


def _carrying(fit: LawFit) -> Iterator[str]:
    jacobian = np.nan_to_num(fit.jacobian_MK)
    leverage_M = leverage(jacobian[:, np.linalg.norm(jacobian, axis=0) > 0])
    mean = float(leverage_M.mean())
    for row in np.flatnonzero(leverage_M > max(CARRIES, TYPICAL * mean))[:MOST_NAMED].tolist():
        yield (
            f"run {fit.run(row)} decides {100 * leverage_M[row]:.0f} % of its own prediction "
            f"(leverage; {100 * mean:.0f} % on average): no other run checks it"
        )


def _unequal(fit: LawFit) -> Iterator[str]:
    for name in fit.law.inputs:
        if len(np.unique(fit.measured[name])) < 2:
            continue
        found = spearmanr(np.abs(fit.log_residuals_M), fit.measured[name])
        if found.pvalue < SURE / len(fit.law.inputs):
            yield (
                f"residuals spread {'more' if found.statistic > 0 else 'less'} the larger "
                f"{name.replace('_', ' ')} (rank correlation {found.statistic:.2f}): noise is not "
                "alike, and intervals allow for it"
            )


def _alike(fit: LawFit, kind: str, correlation: float) -> str:
    found = (
        f"residuals of runs of equal {kind.replace('_', ' ')} are alike (correlation of ranks "
        f"{correlation:.2f})"
    )
    numbers = cluster_numbers(fit.measured, kind)
    if (number := len(np.unique(numbers))) < len(fit.names) + FEWEST_BESIDE:
        return f"{found}: intervals are too narrow, and {number} groups are too few to say how much"
    wider_K = np.nan_to_num(
        regression_fit(fit.problem, fit.best_K, numbers).errors_K / fit.errors_K
    )
    most = int(wider_K.argmax())
    return (
        f"{found}: with --clusters {kind} the standard error of {fit.names[most]} is "
        f"{wider_K[most]:.2f} times as large"
    )


SHARE = 0.02  # largest share of the runs that is left out together
MOST_RUNS = 5
FEWEST_LEFT = 2  # runs left beyond the number of constants


def influence(fit: LawFit, ends_K2: Floats | None) -> Iterator[str]:
    """Warn, in one sentence, if leaving out a few runs moves constants out of a 95 % interval.

    The interval is that of the whole fit or that of the fit without these runs, because an outlier
    widens the intervals of the whole. ``ends_K2`` are intervals of the log constants; if None,
    standard errors give them.
    """
    best_K, num_runs = fit.best_K, len(fit.measured)
    ends_K2 = fit.interval_K2 if ends_K2 is None else ends_K2
    for size in sorted({1, min(MOST_RUNS, max(1, round(SHARE * num_runs)))}):
        if fit.spare - size < FEWEST_LEFT:
            return
        sets_RM = _most_influential(fit, size)
        starts_RK = np.tile(best_K, (len(sets_RM), 1))
        solved = solve(fit.problem, starts_RK, weights_RM=1.0 - sets_RM)
        without_RK2 = np.array(
            [
                regression_fit(fit.problem.of_runs(~left_out_M), row_K).interval_K2
                for row_K, left_out_M in zip(solved.constants_RK, sets_RM, strict=True)
            ]
        )
        apart_RK = np.maximum(
            _beyond(solved.constants_RK, best_K, ends_K2),
            _beyond(best_K, solved.constants_RK, without_RK2),
        )
        apart_RK[~solved.converged_R] = 0.0
        if apart_RK.max() > 0:
            worst = int(apart_RK.max(axis=1).argmax())
            logs_K6 = np.column_stack(
                [solved.constants_RK[worst], without_RK2[worst], best_K, ends_K2]
            )
            moved = np.flatnonzero(apart_RK[worst] > 0).tolist()
            yield _sentence(fit, np.flatnonzero(sets_RM[worst]).tolist(), moved, logs_K6)
            return


def _most_influential(fit: LawFit, size: int) -> np.ndarray:
    """Return flags [R, M]: for each constant and direction, the runs that pull hardest."""
    pull_MK = fit.problem.slope(fit.residuals_M)[:, None] * (
        np.nan_to_num(fit.jacobian_MK) @ np.nan_to_num(fit.inverse_KK)
    )
    order_MK = np.argsort(pull_MK, axis=0, kind="stable")
    sets = sorted({tuple(sorted(rows)) for rows in (*order_MK[:size].T, *order_MK[-size:].T)})
    return np.array([np.isin(np.arange(len(pull_MK)), rows) for rows in sets])


def _beyond(logs: Floats, middle: Floats, ends: Floats) -> Floats:
    """Return the distance outside the interval over its half-width on that side.

    It is 0 inside, and on an open side. Each is [K] or [R, K]; ``ends`` have a last axis of 2.
    """
    low, high = ends[..., 0], ends[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        below, above = (low - logs) / (middle - low), (logs - high) / (high - middle)
    both = np.maximum(np.nan_to_num(below, posinf=0.0), np.nan_to_num(above, posinf=0.0))
    return np.maximum(both, 0.0)


def _sentence(fit: LawFit, rows: list[int], moved: list[int], logs_K6: Floats) -> str:
    """Write the warning; ``logs_K6`` holds value, low and high without the runs, then with them."""
    changes = ", ".join(
        f"{fit.names[k]} {without:.4g} (95 %: {low:.4g} to {high:.4g}) instead of {value:.4g} "
        f"({least:.4g} to {most:.4g})"
        for k in moved
        for without, low, high, value, least, most in [np.exp(logs_K6[k]).tolist()]
    )
    return (
        f"{len(rows)} of {len(fit.measured)} runs decide: without run{'s'[: len(rows) > 1]} "
        f"{', '.join(map(fit.run, rows))} the fit gives {changes}"
    )
