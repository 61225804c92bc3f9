"""Bootstrap of a regression, warm-started from the best fit: by runs or by residuals."""

import numpy as np
from numpy.typing import NDArray

from rote.analysis.fits.regression import Problem, Solved, solve

Floats = NDArray[np.float64]


def by_residuals(
    problem: Problem, best_K: Floats, targets_M: Floats, *, num_resamples: int, seed: int
) -> Solved:
    predicted = problem.log_output(best_K[None])[0]
    num_points, degrees = len(targets_M), len(targets_M) - len(best_K)
    residuals = (targets_M - predicted) * np.sqrt(num_points / degrees)
    drawn = np.random.default_rng(seed).choice(residuals, size=(num_resamples, num_points))
    starts = np.tile(best_K, (num_resamples, 1))
    return solve(problem, starts, predicted + drawn)


def by_runs(
    problem: Problem, best_K: Floats, targets_M: Floats, *, num_resamples: int, seed: int
) -> Solved:
    num_points = len(targets_M)
    weights = np.random.default_rng(seed).multinomial(
        num_points, np.full(num_points, 1 / num_points), size=num_resamples
    )
    starts = np.tile(best_K, (num_resamples, 1))
    return solve(problem, starts, targets_M[None], weights_RM=weights.astype(np.float64))
