"""Warn where a few runs decide a constant: the law is refitted without the most influential ones.

Which runs those are is found to first order, for each constant and each direction (Broderick,
Giordano and Meager 2020, arXiv 2011.14999: approximate maximum influence); the refits are exact.
Shapes: M runs, K constants, R sets of runs.
"""

from collections.abc import Iterator

import numpy as np

from rote.analysis.fits.regression import solve
from rote.analysis.fits.uncertainty import regression_fit
from rote.analysis.laws.diagnostics import LawFit
from rote.analysis.laws.law import Floats

SHARE = 0.02  # of the runs, at most, that are left out together
MOST_RUNS = 5
FEWEST_LEFT = 2  # beside the constants


def influence(fit: LawFit, ends_K2: Floats | None) -> Iterator[str]:
    """One sentence where leaving out a few runs moves constants out of a 95 % interval.

    That of the whole fit, or that of the fit without them: an outlier widens the intervals of the
    whole. ``ends_K2`` are those of the log constants; without them standard errors give them.
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
    """[R, M] of flags: for each constant and direction, the runs that pull hardest."""
    pull_MK = fit.problem.slope(fit.residuals_M)[:, None] * (
        np.nan_to_num(fit.jacobian_MK) @ np.nan_to_num(fit.inverse_KK)
    )
    order_MK = np.argsort(pull_MK, axis=0, kind="stable")
    sets = sorted({tuple(sorted(rows)) for rows in (*order_MK[:size].T, *order_MK[-size:].T)})
    return np.array([np.isin(np.arange(len(pull_MK)), rows) for rows in sets])


def _beyond(logs: Floats, middle: Floats, ends: Floats) -> Floats:
    """How far outside the interval, in units of its half on that side; 0 inside and where open.

    Each [K] or [R, K]; ``ends`` have a last axis of 2.
    """
    low, high = ends[..., 0], ends[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        below, above = (low - logs) / (middle - low), (logs - high) / (high - middle)
    both = np.maximum(np.nan_to_num(below, posinf=0.0), np.nan_to_num(above, posinf=0.0))
    return np.maximum(both, 0.0)


def _sentence(fit: LawFit, rows: list[int], moved: list[int], logs_K6: Floats) -> str:
    """``logs_K6``: each constant without the runs, low, high, and the same with them."""
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
