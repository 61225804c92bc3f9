"""Warn where a few runs decide a constant: the law is refitted without the most influential ones.

Which runs those are is found to first order, for each constant and each direction (Broderick,
Giordano and Meager 2020, arXiv 2011.14999: approximate maximum influence); the refits are exact.
Shapes: M runs, K constants, R sets of runs.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rote.analysis.fits.regression import Flags, Problem, solve
from rote.analysis.fits.uncertainty import Spread, spread
from rote.analysis.laws.law import Floats, Measured

SHARE = 0.02  # of the runs, at most, that are left out together
MOST_RUNS = 5
FEWEST_LEFT = 2  # beside the constants


def influence(
    names: Sequence[str],
    problem: Problem,
    measured: Measured,
    best_K: Floats,
    targets_M: Floats,
    about: Spread,
    ends_K2: Floats | None,
) -> tuple[str, ...]:
    """One sentence where leaving out a few runs moves constants out of a 95 % interval.

    That of the whole fit, or that of the fit without them: an outlier widens the intervals of the
    whole. ``ends_K2`` are those of the log constants; without them standard errors give them.
    """
    if ends_K2 is None:
        ends_K2 = _interval(best_K, about)
    most = min(MOST_RUNS, max(1, round(SHARE * len(measured))))
    for size in sorted({1, most}):
        if len(measured) - size < len(names) + FEWEST_LEFT:
            return ()
        sets_RM = _most_influential(problem, best_K, targets_M, about, size)
        starts = np.broadcast_to(best_K, (len(sets_RM), len(best_K)))
        solved = solve(problem, starts, targets_M[None], weights_RM=1.0 - sets_RM)
        without_RK2 = np.array(
            [
                _interval(row_K, _spread_without(problem, row_K, targets_M, left_out_M > 0))
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
            moved = np.flatnonzero(apart_RK[worst] > 0)
            logs = np.column_stack(
                [solved.constants_RK[worst], without_RK2[worst], best_K, ends_K2]
            )
            changes = [_change(names[k], *np.exp(logs[k])) for k in moved.tolist()]
            return (_sentence(measured, np.flatnonzero(sets_RM[worst]).tolist(), changes),)
    return ()


def _interval(logs_K: Floats, about: Spread) -> Floats:
    """[K, 2]: 95 % of the log constants, from standard errors."""
    return logs_K[:, None] + np.outer(about.quantile * about.errors_K, [-1.0, 1.0])


def _spread_without(
    problem: Problem, logs_K: Floats, targets_M: Floats, left_out_M: Flags
) -> Spread:
    kept = ~left_out_M
    rest = replace(problem, log_output=lambda logs_RK: problem.log_output(logs_RK)[:, kept])
    return spread(rest, logs_K, targets_M[kept])


def _most_influential(
    problem: Problem, best_K: Floats, targets_M: Floats, about: Spread, size: int
) -> Floats:
    """[R, M] of zeros and ones: for each constant and direction, the runs that pull hardest."""
    residuals_M = problem.residuals(best_K[None], targets_M[None])[0]
    jacobian_MK = np.nan_to_num(problem.jacobian(best_K[None], targets_M[None])[0])
    pull_MK = problem.slope(residuals_M)[:, None] * (jacobian_MK @ np.nan_to_num(about.inverse_KK))
    order_MK = np.argsort(pull_MK, axis=0, kind="stable")
    sets = {tuple(sorted(rows)) for rows in (*order_MK[:size].T, *order_MK[-size:].T)}
    chosen = np.zeros((len(sets), len(targets_M)))
    for row, members in zip(chosen, sorted(sets), strict=True):
        row[list(members)] = 1.0
    return chosen


def _beyond(logs: Floats, middle: Floats, ends: Floats) -> Floats:
    """How far outside the interval, in units of its half on that side; 0 inside and where open.

    Each [K] or [R, K]; ``ends`` have a last axis of 2.
    """
    low, high = ends[..., 0], ends[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        below, above = (low - logs) / (middle - low), (logs - high) / (high - middle)
    both = np.maximum(np.nan_to_num(below, posinf=0.0), np.nan_to_num(above, posinf=0.0))
    return np.maximum(both, 0.0)


def _change(
    name: str, without: float, low: float, high: float, value: float, least: float, most: float
) -> str:
    return (
        f"{name} {without:.4g} (95 %: {low:.4g} to {high:.4g}) instead of {value:.4g} "
        f"({least:.4g} to {most:.4g})"
    )


def _sentence(measured: Measured, rows: Sequence[int], changes: Sequence[str]) -> str:
    shown = list(measured.columns.items())
    places = ", ".join(
        f"{row + 1} ({', '.join(f'{name} {each[row]:.3g}' for name, each in shown)})"
        for row in rows
    )
    one = "run" if len(rows) == 1 else "runs"
    return (
        f"{len(rows)} of {len(measured)} runs decide: without {one} {places} the fit gives "
        f"{', '.join(changes)}"
    )
