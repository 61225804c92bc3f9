"""Nonlinear regression of many problems at once: damped Gauss-Newton steps in log constants.

Constants are positive and held as logarithms. A residual is that of ln(output), or a relative one;
the objective is half its square, or Huber's, which is linear beyond a reach. Huber's is minimised
by reweighting: a residual beyond the reach weighs reach / |residual| (Holland and Welsch 1977).
Starts, resamples and profiles are solved together, as rows of one array.
Shapes: R problems, M points, K constants.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_STEPS = 300
DIFFERENCE = 1e-5  # of a log constant: central differences are then good to about 1e-10
SETTLED = 1e-12  # of the objective, expected from one more step: a millionth of its square root
NOTHING = 1e-26  # objective a point that rounding leaves of an exact fit
AT_ONCE = 2**15  # points of all problems in one array: 256 kB, so that it stays in the cache


class Residual(Enum):
    """What is to be small."""

    LOG = "log"
    RELATIVE = "relative"  # 1 - predicted / observed


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is minimised, the data left open."""

    log_output: Callable[[Floats], Floats]  # log constants [R, K] -> ln(output) [R, M]
    bounds_K2: Floats  # of the log constants
    residual: Residual = Residual.LOG
    reach: float = np.inf  # residual beyond which Huber's objective is linear

    def residuals(self, constants_RK: Floats, targets_RM: Floats) -> Floats:
        """[R, M]; ``targets_RM`` are observed ln(output)."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            apart = targets_RM - self.log_output(constants_RK)
            return apart if self.residual is Residual.LOG else -np.expm1(-apart)

    def objective(self, residuals_RM: Floats, weights_RM: Floats) -> Floats:
        """[R], summed; infinite where a residual is not finite."""
        size = np.abs(residuals_RM)
        inside = np.minimum(size, self.reach)
        with np.errstate(over="ignore", invalid="ignore"):
            summed = (weights_RM * inside * (size - inside / 2)).sum(axis=1)
        return np.where(np.isfinite(summed), summed, np.inf)

    def slope(self, residuals: Floats) -> Floats:
        """Derivative of the objective by the residual, psi."""
        return np.clip(residuals, -self.reach, self.reach)

    def jacobian(self, constants_RK: Floats, targets_RM: Floats) -> Floats:
        """Derivatives of the residuals by the log constants, [R, M, K]."""
        columns = []
        for shift in np.eye(constants_RK.shape[1]) * DIFFERENCE:
            ahead = self.residuals(constants_RK + shift, targets_RM)
            behind = self.residuals(constants_RK - shift, targets_RM)
            columns.append((ahead - behind) / (2 * DIFFERENCE))
        return np.stack(columns, axis=-1)


@dataclass(frozen=True, kw_only=True)
class Solved:
    """Where each problem ended."""

    constants_RK: Floats  # logarithms
    objective_R: Floats
    converged_R: Flags


def solve(
    problem: Problem,
    starts_RK: Floats,
    targets_RM: Floats,
    *,
    weights_RM: Floats | None = None,
    fixed_RK: Flags | None = None,
) -> Solved:
    """Minimise from each start; a single row of targets or weights serves all.

    ``fixed_RK`` marks constants that stay where they start.
    """
    num_points = targets_RM.shape[1]
    shape = (len(starts_RK), num_points)
    targets = np.broadcast_to(targets_RM, shape)
    weights = np.broadcast_to(1.0 if weights_RM is None else weights_RM, shape)
    fixed = np.zeros(starts_RK.shape, dtype=bool) if fixed_RK is None else fixed_RK
    rows = max(1, AT_ONCE // num_points)
    parts = []
    for first in range(0, max(1, len(starts_RK)), rows):  # no problem at all is one empty part
        some = slice(first, first + rows)
        parts.append(_solve(problem, starts_RK[some], targets[some], weights[some], fixed[some]))
    return Solved(
        constants_RK=np.concatenate([part.constants_RK for part in parts]),
        objective_R=np.concatenate([part.objective_R for part in parts]),
        converged_R=np.concatenate([part.converged_R for part in parts]),
    )


def _solve(
    problem: Problem, starts: Floats, targets: Floats, weights: Floats, fixed: Flags
) -> Solved:
    constants = _inside(problem, starts)
    objective = problem.objective(problem.residuals(constants, targets), weights)
    damping = np.full(len(constants), 1e-3)
    expected = np.full(len(constants), np.inf)
    active = np.flatnonzero(np.isfinite(objective))
    for _ in range(MOST_STEPS):
        if not len(active):
            break
        at, data = constants[active], (targets[active], weights[active])
        step, gain = _step(problem, at, *data, fixed[active], damping[active])
        tried = _inside(problem, at + step)
        value = problem.objective(problem.residuals(tried, data[0]), data[1])
        better = value <= objective[active]
        constants[active] = np.where(better[:, None], tried, at)
        objective[active] = np.where(better, value, objective[active])
        expected[active] = gain
        damping[active] = np.clip(damping[active] * np.where(better, 0.2, 5.0), 1e-9, 1e12)
        settled = gain <= SETTLED * objective[active] + NOTHING * targets.shape[1]
        active = active[~settled & (damping[active] < 1e12)]
    limit = np.sqrt(SETTLED) * objective + NOTHING * targets.shape[1]
    return Solved(
        constants_RK=constants,
        objective_R=objective,
        converged_R=np.isfinite(objective) & (expected <= limit),
    )


def _inside(problem: Problem, constants_RK: Floats) -> Floats:
    return np.clip(constants_RK, problem.bounds_K2[:, 0], problem.bounds_K2[:, 1])


def _step(
    problem: Problem,
    at: Floats,
    targets: Floats,
    weights: Floats,
    fixed: Flags,
    damping: Floats,
) -> tuple[Floats, Floats]:
    """The damped step, and what a step without damping should gain."""
    residuals = problem.residuals(at, targets)
    jacobian = np.nan_to_num(problem.jacobian(at, targets), posinf=0.0, neginf=0.0)
    pull = weights * problem.slope(residuals)
    downhill = -np.einsum("rmk,rm->rk", jacobian, pull)
    held = fixed | _pushed_out(problem, at, downhill)
    jacobian *= ~held[:, None, :]
    downhill *= ~held
    falls = np.divide(pull, residuals, out=weights.copy(), where=residuals != 0)
    normal = np.swapaxes(jacobian * falls[:, :, None], 1, 2) @ jacobian
    diagonal = np.einsum("rkk->rk", normal).copy()
    diagonal[diagonal == 0] = 1.0
    scale = np.sqrt(diagonal)
    unit = normal / (scale[:, :, None] * scale[:, None, :])
    kept = np.eye(at.shape[1])
    gradient = downhill / scale
    full = _solved(unit + 1e-13 * kept + kept * (held[:, :, None]), gradient)
    damped = _solved(
        unit + (damping[:, None, None] + 1e-13) * kept + kept * held[:, :, None], gradient
    )
    return damped / scale, np.einsum("rk,rk->r", full, gradient)


def _solved(matrices_RKK: Floats, vectors_RK: Floats) -> Floats:
    return np.asarray(np.linalg.solve(matrices_RKK, vectors_RK[:, :, None])[:, :, 0])


def _pushed_out(problem: Problem, at: Floats, downhill: Floats) -> Flags:
    """Constants at a bound that the objective would push beyond it."""
    low, high = problem.bounds_K2.T
    return ((at <= low) & (downhill < 0)) | ((at >= high) & (downhill > 0))
