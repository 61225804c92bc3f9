"""Warnings about a fit: constants that the runs do not tell, outliers, single runs that carry it,
noise that is not alike, residuals that depend on each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import spearmanr

from rote.analysis.fits.uncertainty import GAUSSIAN_MEDIAN, RegressionFit, leverage, regression_fit
from rote.analysis.laws.clusters import FEWEST_BESIDE, alike, cluster_numbers
from rote.analysis.laws.law import Law, LawData

GREATEST_CONDITION = 1e6  # of the normal matrix at unit diagonal
GREATEST_CORRELATION = 0.99
GREATEST_ERROR = 0.5  # of a constant, relative
FAR = 6.0  # robust deviations: of 1,000 Gaussian residuals one in 500,000 cases lies beyond
MOST_NAMED = 5
CARRIES = 0.5  # leverage: the run decides more of its own prediction than all others
TYPICAL = 3.0  # times the mean leverage K / M, below which a small design is simply small
SURE = 0.01  # level of the tests, over all inputs together
EXACT = 1e-8  # rms of residuals of ln(output): nothing is left to test


@dataclass(frozen=True, kw_only=True)
class LawFit(RegressionFit):
    """The regression of a law on measured runs."""

    law: Law
    measured: LawData
    clusters: str  # the kind that standard errors allow for, empty for none

    @property
    def names(self) -> list[str]:
        """Of the constants, in order."""
        return list(self.law.constants)

    def run(self, row: int) -> str:
        """As "3 (parameters 1e+06, ...)"."""
        shown = (f"{name} {each[row]:.3g}" for name, each in self.measured.columns.items())
        return f"{row + 1} ({', '.join(shown)})"


def identification(fit: LawFit) -> Iterator[str]:
    """About constants that the runs do not tell, or do not tell apart."""
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
            yield f"{name} is weakly told: its standard error is {100 * error:.0f} % of it"
    correlation = np.nan_to_num(fit.correlation_KK)
    for i, j in combinations(range(len(names)), 2):
        if abs(correlation[i, j]) > GREATEST_CORRELATION:
            yield (
                f"{names[i]} and {names[j]} move together (correlation {correlation[i, j]:.4f}): "
                "the curve tells them only as a pair"
            )
    if fit.condition > GREATEST_CONDITION:
        yield (
            f"the normal matrix has condition {fit.condition:.1g} at unit diagonal: "
            "some combination of constants is free"
        )


def about_residuals(fit: LawFit) -> Iterator[str]:
    """Nothing where residuals are small, alike and independent."""
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
    said = (
        f"residuals of runs of equal {kind.replace('_', ' ')} are alike (correlation of ranks "
        f"{correlation:.2f})"
    )
    numbers = cluster_numbers(fit.measured, kind)
    if (number := len(np.unique(numbers))) < len(fit.names) + FEWEST_BESIDE:
        return f"{said}: intervals are too narrow, and {number} groups are too few to tell how far"
    wider_K = np.nan_to_num(
        regression_fit(fit.problem, fit.best_K, numbers).errors_K / fit.errors_K
    )
    most = int(wider_K.argmax())
    return (
        f"{said}: with --clusters {kind} the standard error of {fit.names[most]} is "
        f"{wider_K[most]:.2f} times as large"
    )
