"""Fit laws by regression, and describe each fit: constants, intervals and warnings.

A law may be checked on the runs with the largest value of an input: it is fitted to all others and
predicts these. A prediction interval joins two uncertainties: each draw is a curve of the bootstrap
plus residuals of the runs that were fitted. Points of one draw share its curve, so the number of
points inside the intervals is compared with that of the draws themselves.
Shapes: R rows, K constants, B draws, M points that are held back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rote.analysis.estimate import band_of
from rote.analysis.estimators import rate
from rote.analysis.fits.regression import DIFFERENCE, RegressionProblem, solve
from rote.analysis.fits.search import profile_ends
from rote.analysis.fits.uncertainty import refits, regression_fit
from rote.analysis.laws.clusters import required_clusters
from rote.analysis.laws.diagnostics import LawFit, about_residuals, identification, influence
from rote.analysis.laws.law import (
    COLUMNS,
    RUN,
    FitEffort,
    FittedLaw,
    Floats,
    Law,
    LawCurve,
    LawData,
    described,
    failed,
)

FIRST_STEPS, NUM_FINISHED = 20, 3  # steps from every start, and starts that are finished
FEWEST_RESIDUALS = 2  # that a bootstrap needs
TOO_FEW = "the runs leave one residual beside the constants: no bootstrap"
NEARLY = 1.01  # values within 1 % of the largest count as the largest
NUM_CHECKED = 200  # resamples of a check
SURE = 0.01  # share of draws with so few points inside, below which the law is said not to hold
LEAST_SHARE = 1e-6  # share of the lowest output: a smaller constant E counts as none


@dataclass(frozen=True)
class Derived:
    """A value that follows from the constants."""

    name: str
    meaning: str
    value: Callable[[Any], float]  # a function of the curve; > 0

    def error(self, fit: LawFit) -> float:
        """Return the standard error of its logarithm, to first order."""
        slope_K = [
            self.value(_curve(fit.law, fit.best_K + shift))
            - self.value(_curve(fit.law, fit.best_K - shift))
            for shift in np.eye(len(fit.best_K)) * DIFFERENCE
        ] / np.array(2 * DIFFERENCE)
        return float(np.sqrt(slope_K @ np.nan_to_num(fit.covariance_KK) @ slope_K))


@dataclass(frozen=True, kw_only=True)
class Regression:
    """How to find the constants of a law, all of them positive and bounded.

    The bounds also hold a constant that a resample does not identify; the output sets those of E.
    """

    distinct: Mapping[str, int]  # fewest different values of each column
    starts: Callable[[LawData], Floats]  # log constants [R, K]
    derived: tuple[Derived, ...] = ()
    is_relative: bool = False  # as in `RegressionProblem`
    reach: float = np.inf
    held_back: tuple[str, ...] = ()  # inputs: runs with their largest value check the prediction

    def __call__(self, law: Law, measured: LawData, effort: FitEffort, *warnings: str) -> FittedLaw:
        """Fit; raises ValueError for too few runs or clusters, or if no start ends finite."""
        self.require(law, measured)
        return self.describe(law, measured, self.best(law, measured), effort, *warnings)

    def require(self, law: Law, measured: LawData) -> None:
        """Raises ValueError for too few runs, or too few different values of a column."""
        if len(measured) <= (number := len(law.constants)):
            raise ValueError(
                f"law {law.name} has {number} constants and takes {number + 1} runs or more, "
                f"got {len(measured)}"
            )
        for column, fewest in self.distinct.items():
            if (number := len(np.unique(measured[column]))) < fewest:
                raise ValueError(
                    f"law {law.name} takes {fewest} or more different {column} "
                    f"({COLUMNS[column]}), got {number}"
                )

    def problem(self, law: Law, measured: LawData) -> RegressionProblem:
        """Return the regression problem for these runs."""
        columns, output = [measured[name] for name in law.inputs], measured[law.output]
        bounds = {name: known["bounds"] for name, known in law.constants.items()}
        if "E" in bounds:
            bounds["E"] = (LEAST_SHARE * output.min(), output.max())

        def log_output(logs_RK: Floats) -> Floats:
            constants = dict(zip(bounds, np.exp(logs_RK).T[:, :, None], strict=True))
            return np.log(law.curve(**constants).predict(*columns))

        return RegressionProblem(
            log_output=log_output,
            targets_M=np.log(output),
            bounds_K2=np.log(list(bounds.values())),
            is_relative=self.is_relative,
            reach=self.reach,
        )

    def best(self, law: Law, measured: LawData) -> Floats:
        """Return the best log constants [K]; raises ValueError if no start leads to a finite fit.

        All starts take a few steps and only the best go to the end, because bad starts take
        longest.
        """
        problem = self.problem(law, measured)
        begun = solve(problem, self.starts(measured), most_steps=FIRST_STEPS)
        first = np.argsort(begun.objective_R, kind="stable")[:NUM_FINISHED]
        solved = solve(problem, begun.constants_RK[first])
        best = int(solved.objective_R.argmin())
        if not np.isfinite(solved.objective_R[best]):
            raise ValueError(f"law {law.name} has no finite fit to these runs")
        return solved.constants_RK[best]

    def describe(
        self, law: Law, measured: LawData, best_K: Floats, effort: FitEffort, *warnings: str
    ) -> FittedLaw:
        """Compute everything beside the best fit; raises ValueError for too few clusters."""
        kind = effort.clusters or (RUN if RUN in measured.columns else "")
        clusters = required_clusters(measured, kind, len(best_K))
        regression = regression_fit(self.problem(law, measured), best_K, clusters)
        fit = LawFit(**vars(regression), law=law, measured=measured, clusters=kind)
        asked = effort.num_resamples if fit.spare >= FEWEST_RESIDUALS else 0
        drawn = refits(fit, num_resamples=asked, seed=effort.seed)
        curve, *resampled = (_curve(law, logs_K) for logs_K in (best_K, *drawn))
        ends_K2 = profile_ends(fit) if effort.profiles else None
        profiles = None if ends_K2 is None else [(a, b) for a, b in np.exp(ends_K2).tolist()]
        names = self.held_back if drawn.size else ()
        checks = [self._check_of_largest(law, measured, effort, name) for name in names]
        return law.fitted(
            measured,
            curve,
            resampled,
            np.exp(best_K) * fit.errors_K,
            profiles,
            objective=fit.objective,
            method=f"{law.method}; {_drawn(kind)}",
            derived=tuple(
                described(each.name, each.meaning, each.value, curve, resampled, each.error(fit))
                for each in self.derived
            ),
            warnings=(
                *warnings,
                *identification(fit),
                *about_residuals(fit),
                *influence(fit, ends_K2),
                *failed(asked - len(resampled), asked),
                *([TOO_FEW] if asked < effort.num_resamples else []),
                *(warning for _, warning in checks if warning),
            ),
            checks=tuple(sentence for sentence, _ in checks),
        )

    def _check_of_largest(
        self, law: Law, measured: LawData, effort: FitEffort, name: str
    ) -> tuple[str, str]:
        """Predict the runs with the largest values of an input by a fit to the others.

        Returns the outcome in a sentence, and a warning, which is empty unless it failed.
        """
        is_held_back = measured[name] >= measured[name].max() / NEARLY
        held, others = measured.rows(is_held_back), measured.rows(~is_held_back)
        what = f"{len(held)} points with the largest {name}, {held[name].max():.4g}"
        quick = replace(effort, num_resamples=NUM_CHECKED, profiles=False)
        try:
            fitted = replace(self, held_back=())(law, others, quick)
            if not fitted.resampled:
                raise ValueError(TOO_FEW)
        except ValueError as error:
            return f"{what}, cannot be predicted from the others: {error}", ""
        observed_M = np.log(held[fitted.output])
        draws_BM = _predicted(fitted, others, held, seed=effort.seed)
        low_M, high_M = band_of(draws_BM)
        inside_B = ((low_M <= draws_BM) & (draws_BM <= high_M)).sum(axis=1)
        inside = rate(int(((low_M <= observed_M) & (observed_M <= high_M)).sum()), len(held))
        off_M = observed_M - np.log(fitted.predict(*(held[each] for each in fitted.inputs)))
        sentence = (
            f"{what}, predicted from the others: {inside.successes} of {inside.trials} lie inside "
            f"the 95 % prediction intervals ({inside.span('{:.0%}')}); residuals of the logarithm "
            f"{off_M.mean():+.1%} on average"
        )
        if (inside_B <= inside.successes).mean() >= SURE:
            return sentence, ""
        return sentence, (
            f"the law does not hold for the {what}: {inside.successes} lie inside the 95 % "
            "prediction intervals of a fit to the others"
        )


def _predicted(fitted: FittedLaw, measured: LawData, points: LawData, *, seed: int) -> Floats:
    """Return draws of ln(output) at the points, [B, M]; ``measured`` are the runs of the fit.

    Residuals are scaled to the noise, since a fit makes them smaller.
    """
    inputs, there = ([runs[name] for name in fitted.inputs] for runs in (measured, points))
    residuals = np.log(measured[fitted.output]) - np.log(fitted.predict(*inputs))
    scale = np.sqrt(len(measured) / (len(measured) - fitted.goodness.num_constants))
    curves_BM = np.log([curve.predict(*there) for curve in fitted.resampled])
    random = np.random.default_rng(seed)
    return np.asarray(curves_BM + scale * random.choice(residuals, curves_BM.shape))


def _curve(law: Law, logs_K: Floats) -> LawCurve:
    curve: LawCurve = law.curve(**dict(zip(law.constants, np.exp(logs_K).tolist(), strict=True)))
    return curve


def _drawn(clusters: str) -> str:
    """Describe which units the standard errors and the bootstrap treat as independent."""
    if not clusters:
        return "runs are drawn one by one"
    if clusters == RUN:
        return "the points of a run are drawn together"
    return f"runs of equal {clusters.replace('_', ' ')} are drawn together"
