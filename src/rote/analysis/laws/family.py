"""A law whose constants are found by regression, and all that is said of such a fit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rote.analysis.fits.bootstrap import resample
from rote.analysis.fits.level import interval_of
from rote.analysis.fits.profiles import profile_ends
from rote.analysis.fits.regression import DIFFERENCE, Problem, Residual, solve
from rote.analysis.fits.uncertainty import Spread, spread
from rote.analysis.laws.clusters import required_clusters
from rote.analysis.laws.identification import identification
from rote.analysis.laws.influence import influence
from rote.analysis.laws.law import Constant, Curve, Effort, Fitted, Floats, Goodness, Measured
from rote.analysis.laws.residuals import about_residuals

FIRST_STEPS, NUM_FINISHED = 20, 3  # of a search from several starts
FEWEST_RESIDUALS = 2  # that a bootstrap draws from
TOO_FEW = "the runs leave one residual beside the constants: no bootstrap"
EXPONENT = (1e-3, 10.0)  # bounds of every exponent


@dataclass(frozen=True, kw_only=True)
class Derived:
    """What follows from the constants."""

    name: str
    meaning: str
    value: Callable[[Any], float]  # of the curve; > 0


@dataclass(frozen=True, kw_only=True)
class Family:
    """A curve with its constants left open; all of them positive."""

    law: str
    formula: str
    method: str
    inputs: tuple[str, ...]
    output: str
    curve: Callable[..., Curve]  # keywords are the names below
    meanings: Mapping[str, str]  # of the constants, by name, in order
    bounds: Mapping[str, tuple[float, float]]
    derived: tuple[Derived, ...] = ()
    residual: Residual = Residual.LOG
    reach: float = np.inf

    def at(self, logs_K: Floats) -> Curve:
        """The curve of these log constants."""
        return self.curve(**dict(zip(self.meanings, np.exp(logs_K).tolist(), strict=True)))

    def problem(self, measured: Measured) -> Problem:
        """The regression on these runs."""
        columns = [measured[name] for name in self.inputs]

        def log_output(logs_RK: Floats) -> Floats:
            constants = np.exp(logs_RK).T[:, :, None]
            curves = self.curve(**dict(zip(self.meanings, constants, strict=True)))
            return np.log(curves.predict(*columns))

        return Problem(
            log_output=log_output,
            bounds_K2=np.log([self.bounds[name] for name in self.meanings]),
            residual=self.residual,
            reach=self.reach,
        )


def best_of(family: Family, measured: Measured, starts_RK: Floats) -> Floats:
    """Log constants [K] of the lowest end; raises ValueError where no start leads anywhere.

    All starts go a little way, the best of them to the end: those that lead nowhere take longest.
    """
    problem, targets = family.problem(measured), np.log(measured[family.output])[None]
    begun = solve(problem, starts_RK, targets, most_steps=FIRST_STEPS)
    first = np.argsort(begun.objective_R, kind="stable")[:NUM_FINISHED]
    solved = solve(problem, begun.constants_RK[first], targets)
    best = int(solved.objective_R.argmin())
    if not np.isfinite(solved.objective_R[best]):
        raise ValueError(f"law {family.law} has no finite fit to these runs")
    return solved.constants_RK[best]


def describe(
    family: Family,
    measured: Measured,
    best_K: Floats,
    effort: Effort,
    *,
    warnings: tuple[str, ...] = (),
) -> Fitted:
    """Everything beside the best fit; raises ValueError for clusters that are too few."""
    problem, targets = family.problem(measured), np.log(measured[family.output])
    clusters = required_clusters(measured, effort.clusters, len(best_K))
    about = spread(problem, best_K, targets, clusters)
    spare = len(measured) - len(best_K)
    num_resamples = effort.num_resamples if spare >= FEWEST_RESIDUALS else 0
    resampled = resample(
        problem,
        best_K,
        targets,
        about,
        num_resamples=num_resamples,
        seed=effort.seed,
        clusters_M=clusters,
    )
    kept = resampled.constants_RK[resampled.converged_R]
    ends = profile_ends(problem, best_K, targets, about) if effort.profiles else None
    names = list(family.meanings)
    return Fitted(
        law=family.law,
        formula=family.formula,
        method=f"{family.method}; {_drawn(effort.clusters)}",
        count=measured.count,
        inputs=family.inputs,
        output=family.output,
        curve=family.at(best_K),
        resampled=tuple(family.at(row) for row in kept),
        constants=_constants(family, best_K, about, ends, kept),
        derived=tuple(_derived(family, each, best_K, about, kept) for each in family.derived),
        goodness=goodness(problem, best_K, targets),
        warnings=(
            *warnings,
            *identification(names, best_K, problem.bounds_K2, about),
            *about_residuals(
                names,
                problem,
                measured,
                best_K,
                targets,
                about,
                inputs=family.inputs,
                clusters=effort.clusters,
            ),
            *influence(names, problem, measured, best_K, targets, about, ends),
            *failed(num_resamples - len(kept), num_resamples),
            *([TOO_FEW] if num_resamples < effort.num_resamples else []),
        ),
        ranges=ranges(measured, family.inputs),
    )


def _drawn(clusters: str) -> str:
    """What standard errors and the bootstrap take for independent."""
    if not clusters:
        return "runs are drawn one by one"
    return f"runs of equal {clusters.replace('_', ' ')} are drawn together"


def goodness(problem: Problem, best_K: Floats, targets_M: Floats) -> Goodness:
    """In ln(output), whatever was minimised."""
    residuals = problem.residuals(best_K[None], targets_M[None])
    apart = targets_M - problem.log_output(best_K[None])[0]
    return log_goodness(
        apart,
        targets_M,
        num_constants=len(best_K),
        objective=float(problem.objective(residuals, np.ones_like(residuals))[0]),
    )


def log_goodness(
    residuals: Floats, targets: Floats, *, num_constants: int, objective: float
) -> Goodness:
    """Of residuals of ln(output)."""
    variance = float(((targets - targets.mean()) ** 2).sum())
    return Goodness(
        num_points=len(targets),
        num_constants=num_constants,
        rms_log_residual=float(np.sqrt((residuals**2).mean())),
        largest_log_residual=float(np.abs(residuals).max()),
        explained=1 - float((residuals**2).sum()) / variance if variance > 0 else 0.0,
        objective=objective,
    )


def ranges(measured: Measured, inputs: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Least and greatest of each input."""
    return {name: (float(measured[name].min()), float(measured[name].max())) for name in inputs}


def failed(number: int, of: int) -> tuple[str, ...]:
    """The warning about refits that did not settle."""
    if not number:
        return ()
    return (f"{number} of {of} resampled fits did not settle and are left out of the intervals",)


def quantiles(values: Floats) -> tuple[float, float] | None:
    """95 %; None for too few values to have any."""
    return interval_of(values) if len(values) > 1 else None


def _constants(
    family: Family, best_K: Floats, about: Spread, ends_K2: Floats | None, resampled_RK: Floats
) -> tuple[Constant, ...]:
    errors = about.errors_K
    with np.errstate(over="ignore"):
        return tuple(
            Constant(
                name=name,
                meaning=meaning,
                value=float(np.exp(best_K[k])),
                standard_error=_finite(np.exp(best_K[k]) * errors[k]),
                profile_interval=None if ends_K2 is None else _pair(np.exp(ends_K2[k])),
                bootstrap_interval=quantiles(np.exp(resampled_RK[:, k])),
            )
            for k, (name, meaning) in enumerate(family.meanings.items())
        )


def _derived(
    family: Family, derived: Derived, best_K: Floats, about: Spread, resampled_RK: Floats
) -> Constant:
    """Its standard error is that of its logarithm, to first order."""
    value = derived.value(family.at(best_K))
    shifts = np.eye(len(best_K)) * DIFFERENCE
    ahead = np.array([derived.value(family.at(best_K + shift)) for shift in shifts])
    behind = np.array([derived.value(family.at(best_K - shift)) for shift in shifts])
    slope = (ahead - behind) / (2 * DIFFERENCE)
    variance = float(slope @ np.nan_to_num(about.covariance_KK) @ slope)
    return Constant(
        name=derived.name,
        meaning=derived.meaning,
        value=value,
        standard_error=_finite(np.sqrt(variance)),
        bootstrap_interval=quantiles(
            np.array([derived.value(family.at(row)) for row in resampled_RK])
        ),
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _pair(values: Floats) -> tuple[float, float]:
    low, high = values.tolist()
    return low, high
