"""Solve many weighted nonlinear regressions at once, by damped Gauss-Newton steps.

Constants are positive and stored as logarithms. A residual is that of ln(output), or a relative
one; the objective is half its square, or Huber's, which is linear beyond a reach. Huber's is
minimised by reweighting: a residual beyond the reach weighs reach / |residual| (Holland and Welsch
1977). Here it weighs a quarter of that, which halves the number of steps; damping makes every step
go downhill. Starts, resamples and profiles are solved together as rows of one array, which scipy
cannot do.
Shapes: R rows, M points, K constants.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rote.core.arrays import Floats

Flags = NDArray[np.bool_]

MOST_STEPS = 300
DIFFERENCE = 1e-5  # step of a log constant: central differences are then accurate to 1e-10
SETTLED = 1e-12  # relative gain expected of one more step; 1e-6 of the objective's root
NOTHING = 1e-26  # objective per point that rounding leaves of an exact fit
LEAST_DAMPING = 1e-13  # keeps a free combination of constants in place
HASTE = 0.25  # factor on the weight beyond the reach
AT_ONCE = 2**15  # points of all rows in one array: 256 kB, which fits the cache


@dataclass(frozen=True, kw_only=True)
class RegressionProblem:
    """A curve, its observed targets and bounds, and the objective."""

    log_output: Callable[[Floats], Floats]  # log constants [R, K] -> ln(output) [R, M]
    targets_M: Floats  # observed ln(output)
    bounds_K2: Floats  # bounds of the log constants
    is_relative: bool = False  # residuals 1 - predicted / observed, not those of ln(output)
    reach: float = np.inf  # residual beyond which Huber's objective is linear

    def residuals(self, constants_RK: Floats) -> Floats:
        """Return the residuals, [R, M]."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            apart = self.targets_M - self.log_output(constants_RK)
            return -np.expm1(-apart) if self.is_relative else apart

    def objective(self, constants_RK: Floats, weights_RM: Floats | float = 1.0) -> Floats:
        """Return the objective summed over points, [R]; infinite if a residual is not finite."""
        size = np.abs(self.residuals(constants_RK))
        inside = np.minimum(size, self.reach)
        with np.errstate(over="ignore", invalid="ignore"):
            summed = (weights_RM * inside * (size - inside / 2)).sum(axis=1)
        return np.where(np.isfinite(summed), summed, np.inf)

    def slope(self, residuals: Floats) -> Floats:
        """Return psi, the derivative of the objective by the residual."""
        return np.clip(residuals, -self.reach, self.reach)

    def jacobian(self, constants_RK: Floats) -> Floats:
        """Return the derivatives of the residuals by the log constants, [R, M, K]."""
        columns = []
        for shift in np.eye(constants_RK.shape[1]) * DIFFERENCE:
            apart = self.residuals(constants_RK + shift) - self.residuals(constants_RK - shift)
            columns.append(apart / (2 * DIFFERENCE))
        return np.stack(columns, axis=-1)

    def inside(self, constants_RK: Floats) -> Floats:
        """Clip the constants to their bounds."""
        return np.clip(constants_RK, *self.bounds_K2.T)

    def of_runs(self, kept_M: Flags) -> "RegressionProblem":
        """Return the same problem on the kept points only."""
        return replace(
            self,
            log_output=lambda logs_RK: self.log_output(logs_RK)[:, kept_M],
            targets_M=self.targets_M[kept_M],
        )


class Solved(NamedTuple):
    """The end point of each row."""

    constants_RK: Floats  # logarithms
    objective_R: Floats
    converged_R: Flags


def solve(
    problem: RegressionProblem,
    starts_RK: Floats,
    *,
    weights_RM: Floats | None = None,
    fixed_RK: Flags | None = None,
    most_steps: int = MOST_STEPS,
) -> Solved:
    """Minimise from each start; ``fixed_RK`` marks constants that keep their start value."""
    num_points = len(problem.targets_M)
    shape = (len(starts_RK), num_points)
    weights = np.broadcast_to(1.0 if weights_RM is None else weights_RM, shape)
    fixed = np.zeros(starts_RK.shape, dtype=bool) if fixed_RK is None else fixed_RK
    rows = max(1, AT_ONCE // num_points)
    parts = []
    for first in range(0, max(1, len(starts_RK)), rows):  # without rows, one empty part
        some = slice(first, first + rows)
        parts.append(_solve(problem, starts_RK[some], weights[some], fixed[some], most_steps))
    return Solved(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _solve(
    problem: RegressionProblem, starts: Floats, weights: Floats, fixed: Flags, most_steps: int
) -> Solved:
    nothing = NOTHING * weights.shape[1]
    constants = problem.inside(starts)
    objective = problem.objective(constants, weights)
    damping = np.full(len(constants), 1e-3)
    expected = np.full(len(constants), np.inf)
    active = np.flatnonzero(np.isfinite(objective))
    for _ in range(most_steps):
        if not len(active):
            break
        at = constants[active]
        step, gain = _step(problem, at, weights[active], fixed[active], damping[active])
        tried = problem.inside(at + step)
        value = problem.objective(tried, weights[active])
        better = value <= objective[active]
        constants[active] = np.where(better[:, None], tried, at)
        objective[active] = np.where(better, value, objective[active])
        expected[active] = gain
        damping[active] = np.clip(damping[active] * np.where(better, 0.2, 5.0), 1e-9, 1e12)
        settled = gain <= SETTLED * objective[active] + nothing
        active = active[~settled & (damping[active] < 1e12)]
    settled = expected <= np.sqrt(SETTLED) * objective + nothing
    return Solved(constants, objective, np.isfinite(objective) & settled)


def _step(
    problem: RegressionProblem, at: Floats, weights: Floats, fixed: Flags, damping: Floats
) -> tuple[Floats, Floats]:
    """Return the damped step, and the gain expected of a step without damping."""
    downhill, normal = _quadratic(problem, at, weights, fixed)
    diagonal = np.einsum("rkk->rk", normal)
    idle = diagonal == 0
    scale = np.sqrt(np.where(idle, 1.0, diagonal))
    gradient = downhill / scale
    identity = np.eye(at.shape[1])
    unit = normal / (scale[:, :, None] * scale[:, None, :])
    unit += (idle + LEAST_DAMPING)[:, :, None] * identity
    full, damped = (
        np.linalg.solve(matrices, gradient[:, :, None])[:, :, 0]
        for matrices in (unit, unit + damping[:, None, None] * identity)
    )
    return damped / scale, np.einsum("rk,rk->r", full, gradient)


def _quadratic(
    problem: RegressionProblem, at: Floats, weights: Floats, fixed: Flags
) -> tuple[Floats, Floats]:
    """Return the descent direction [R, K] and the curvature [R, K, K].

    Both are 0 for constants that stay: fixed ones, and those at a bound that the objective would
    push beyond it.
    """
    residuals = problem.residuals(at)
    jacobian = np.nan_to_num(problem.jacobian(at), posinf=0.0, neginf=0.0)
    downhill = -np.einsum("rmk,rm->rk", jacobian, weights * problem.slope(residuals))
    low, high = problem.bounds_K2.T
    moves = ~(fixed | ((at <= low) & (downhill < 0)) | ((at >= high) & (downhill > 0)))
    jacobian *= moves[:, None, :]
    falls = weights
    if np.isfinite(problem.reach):
        size = np.maximum(np.abs(residuals), problem.reach)
        falls = weights * np.where(size > problem.reach, HASTE * problem.reach / size, 1.0)
    return downhill * moves, np.swapaxes(jacobian * falls[:, :, None], 1, 2) @ jacobian
