"""Profile likelihood: each constant held, all others refitted, until the objective says no.

The rise of the objective, twice over its tension, is a squared Student's t at the end of an
interval (Bates and Watts 1988, section 6.1); each constant has a tension of its own, so that noise
of unequal size is allowed for. All ends are sought together: distances are doubled until one is
beyond, then cut by interpolation.
Shapes: K constants, P = 2 K ends.
"""

import numpy as np

from rote.analysis.fits.regression import solve
from rote.analysis.fits.uncertainty import Floats, RegressionFit

MOST_ROUNDS = 40
CLOSE = 0.005  # of the rise, as a share of the quantile
FARTHEST_FIRST = 2.0  # of a log constant: where standard errors say more, or nothing, start here


def profile_ends(fit: RegressionFit) -> Floats:
    """[K, 2] in log constants; -inf or inf where a bound is reached first."""
    problem, best_K = fit.problem, fit.best_K
    num_constants = len(best_K)
    which_P = np.repeat(np.arange(num_constants), 2)
    sign_P = np.tile([-1.0, 1.0], num_constants)
    span_P = np.abs(problem.bounds_K2 - best_K[:, None]).ravel()
    near_P, rise_P = np.zeros((2, len(which_P)))
    far_P, far_rise_P = np.full((2, len(which_P)), np.inf)
    at_PK = np.tile(best_K, (len(which_P), 1))
    ridge_PK = _ridge(fit)[which_P] * sign_P[:, None]
    first = np.nan_to_num(fit.errors_K[which_P] * fit.quantile, nan=FARTHEST_FIRST)
    tried_P = np.minimum(np.minimum(first, FARTHEST_FIRST), span_P)
    ends_P = np.full(len(which_P), np.nan)
    for _ in range(MOST_ROUNDS):
        left = np.flatnonzero(np.isnan(ends_P))
        if not len(left):
            break
        held = np.eye(num_constants, dtype=bool)[which_P[left]]
        starts = at_PK[left] + ridge_PK[left] * (tried_P - near_P)[left, None]
        starts[held] = (best_K[which_P] + sign_P * tried_P)[left]
        solved = solve(problem, starts, fixed_RK=held)
        squares = 2 * (solved.objective_R - fit.objective) / fit.tension_K[which_P[left]]
        rise = np.sqrt(np.maximum(squares, 0)) / fit.quantile
        beyond = rise >= 1
        close = np.abs(rise - 1) < CLOSE
        ends_P[left[~beyond & (tried_P[left] >= span_P[left])]] = np.inf
        ends_P[left[close]] = tried_P[left[close]]
        inner, outer = left[~beyond], left[beyond]
        near_P[inner], rise_P[inner] = tried_P[inner], rise[~beyond]
        at_PK[inner] = solved.constants_RK[~beyond]
        far_P[outer], far_rise_P[outer] = tried_P[outer], rise[beyond]
        tried_P = _next(near_P, rise_P, far_P, far_rise_P, span_P)
    ends_P = np.where(np.isnan(ends_P), tried_P, ends_P)
    return (best_K[which_P] + sign_P * ends_P).reshape(num_constants, 2)


def _ridge(fit: RegressionFit) -> Floats:
    """[K, K]: how far the others move with each constant, to first order."""
    covariance = np.nan_to_num(fit.inverse_KK)
    variances = np.diag(covariance)
    return np.asarray(covariance / np.where(variances == 0, 1.0, variances)[:, None])


def _next(near: Floats, rise: Floats, far: Floats, far_rise: Floats, span: Floats) -> Floats:
    """Doubled where nothing is beyond yet; else between, and a twentieth away from both."""
    bracketed = np.isfinite(far)
    gap = np.where(bracketed, far - near, 0.0)
    finite_rise = np.where(np.isfinite(far_rise), far_rise, rise + 2 * (1 - rise))
    share = np.clip((1 - rise) / (finite_rise - rise), 0.05, 0.95)
    return np.where(bracketed, near + share * gap, np.minimum(2 * near, span))
