"""Search for the constants of curves: bounded least squares, grids of starts, and profiles.

Bounded least squares keeps every constant finite. Runs may leave a constant without a best value
(all on one side of a knee, bits below zero, a cliff between two sizes), and some resamples always
do: the search then runs to infinity, and takes the curve's predictions with it. A constant without
bounds of its own therefore stops ``farthest`` from its start; until then the search is scipy's own.

Starts come from variable projection (Golub and Pereyra 1973). A sum of power laws is linear in its
factors, which follow from the exponents by nonnegative least squares. With every exponent on a grid
the factors cost a small solve each, and only few starts are left to a search over all constants.

A profile likelihood holds each constant and refits all others until the objective rejects it. At
the end of an interval the rise of the objective, twice over its tension, is a squared Student's t
(Bates and Watts 1988, section 6.1). Each constant has its own tension, which allows for noise of
unequal size. All ends are sought together: distances double until one is beyond the end, and then
shrink by interpolation.
Shapes: M runs, J linear constants, R starts, K constants, P = 2 K ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares, nnls

from rote.analysis.fits.regression import solve
from rote.analysis.fits.uncertainty import RegressionFit
from rote.core.arrays import Floats


def least_squares_within(
    residuals: Callable[[Floats], Floats],
    start_K: Sequence[float] | Floats,
    bounds_K2: Sequence[tuple[float, float]],
    *,
    farthest: float = np.inf,
    jacobian: Callable[[Floats], Floats] | None = None,
    x_scale: Any = "jac",
) -> Floats:
    """Return the constants [K]; infinite ``bounds_K2`` need a finite ``farthest``."""
    bounds, start = np.array(bounds_K2, dtype=np.float64), np.asarray(start_K, dtype=np.float64)
    ends = np.where(np.isfinite(bounds), bounds, start[:, None] + farthest * np.array([-1.0, 1.0]))
    assert np.isfinite(ends).all(), "a constant that nothing bounds"

    def inside(x_K: Floats) -> Floats:
        return np.clip(x_K, *ends.T)

    found = least_squares(
        lambda x_K: residuals(inside(x_K)),
        start,
        jac=(lambda x_K: jacobian(inside(x_K))) if jacobian else "2-point",
        bounds=bounds.T,
        x_scale=x_scale,
    )
    return inside(found.x)


@dataclass(frozen=True)
class NoFit:
    """The reason why a curve cannot be fitted."""

    reason: str


EXPONENT = (1e-3, 10.0)  # bounds of every exponent


def constant(meaning: str, *bounds: float, default: Any = MISSING) -> Any:
    """Return a field for a curve's constant; ``bounds`` are the least and largest values tried."""
    return field(default=default, metadata={"meaning": meaning, "bounds": bounds})


def power(scale: ArrayLike, x: ArrayLike, exponent: ArrayLike) -> NDArray[np.float64]:
    """Return (scale / x)^exponent, also if intermediate factors exceed floats."""
    return np.exp(np.asarray(exponent) * (np.log(scale) - np.log(x)))


def factors(design_MJ: Floats, observed_M: Floats) -> tuple[Floats, float]:
    """Return nonnegative factors [J] of least relative residual over M runs, and its square sum."""
    design = design_MJ / observed_M[:, None]
    scale = np.linalg.norm(design, axis=0)
    scale[scale == 0] = 1.0  # a steep power of a large number is 0, and so is its factor
    together = np.column_stack([design / scale, np.ones(len(design))])
    triangle = np.asarray(np.linalg.qr(together, mode="r"))
    found, distance = nnls(triangle[:, :-1], triangle[:, -1])
    return found / scale, float(distance**2)


def grid_starts(
    grid: Floats,
    linear: Callable[[float, float], tuple[Floats, Floats, float]],
    row: Callable[[Floats, float, float], Floats],
    *,
    num_starts: int,
) -> Floats:
    """Return the best starts [R, K], one per pair of exponents on the grid, best first.

    ``linear`` returns, for two exponents, the design, the output and the scale of its relative
    residuals; ``row`` returns the log constants for factors and exponents.
    """
    pairs, solved, squares = list(product(grid.tolist(), grid.tolist())), [], []
    for pair in pairs:
        design, output, scale = linear(*pair)
        found, sum_of_squares = factors(design, output)
        solved.append(found)
        squares.append(scale**2 * sum_of_squares)
    order = np.argsort(squares, kind="stable")[:num_starts].tolist()
    return np.array([row(solved[place], *pairs[place]) for place in order])


MOST_ROUNDS = 40
CLOSE = 0.005  # tolerance of the rise, as a share of the quantile
FARTHEST_FIRST = 2.0  # largest first step of a log constant, also without standard errors


def profile_ends(fit: RegressionFit) -> Floats:
    """Return the ends [K, 2] in log constants; -inf or inf if a bound is reached first."""
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
    """Return [K, K]: how far the other constants move with each constant, to first order."""
    covariance = np.nan_to_num(fit.inverse_KK)
    variances = np.diag(covariance)
    return np.asarray(covariance / np.where(variances == 0, 1.0, variances)[:, None])


def _next(near: Floats, rise: Floats, far: Floats, far_rise: Floats, span: Floats) -> Floats:
    """Double the distance until an end is bracketed; then interpolate, a twentieth inside."""
    bracketed = np.isfinite(far)
    gap = np.where(bracketed, far - near, 0.0)
    finite_rise = np.where(np.isfinite(far_rise), far_rise, rise + 2 * (1 - rise))
    share = np.clip((1 - rise) / (finite_rise - rise), 0.05, 0.95)
    return np.where(bracketed, near + share * gap, np.minimum(2 * near, span))
