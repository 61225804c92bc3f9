"""Fit laws by regression, and describe each fit: constants, intervals and warnings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from rote.analysis.fits.regression import DIFFERENCE, RegressionProblem, solve
from rote.analysis.fits.search import profile_ends
from rote.analysis.fits.uncertainty import refits, regression_fit
from rote.analysis.laws.clusters import required_clusters
from rote.analysis.laws.diagnostics import LawFit, about_residuals, identification, influence
from rote.analysis.laws.held_back import check_of_largest
from rote.analysis.laws.law import (
    COLUMNS,
    RUN,
    TOO_FEW,
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
        """Fit; raises ValueError for too few runs or clusters, or if no start leads to a finite
        fit.
        """
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
        refit = partial(replace(self, held_back=()), law)
        names = self.held_back if drawn.size else ()
        checks = [check_of_largest(refit, measured, effort, name) for name in names]
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
                *(each.warning for each in checks if each.warning),
            ),
            checks=tuple(each.sentence for each in checks),
        )


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
