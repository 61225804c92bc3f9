"""Bootstrap of a regression: runs drawn with replacement, refits warm-started from the best fit.

Runs with their own residuals ("pairs", Freedman 1981) rather than residuals drawn for any run:
those of real runs spread more in some places than in others, and a pooled residual covers too
little there. Besiroglu et al. 2024 (arXiv 2404.10102) do so too, 4,000 times, and print the
standard deviation of the refits as standard error. With clusters whole clusters are drawn.

Squares make residuals smaller than the noise by sqrt((M - K) / M), and percentiles are a Gaussian's
where Student's t is due: refits are therefore moved away from the best fit by the quotient of both
(Hesterberg 2015, "expanded percentiles"). Huber's objective needs as much of that as the share of
residuals within its reach: with few of them, refits of absolute deviations spread enough by
themselves (97-99 % of intervals cover for 20 runs and 5 constants).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from rote.analysis.fits.left_out import Ints
from rote.analysis.fits.level import LEVEL
from rote.analysis.fits.regression import Problem, Solved, solve
from rote.analysis.fits.uncertainty import Spread

Floats = NDArray[np.float64]

MOST_TRIES = 1000  # draws for each that is kept, where nearly all lack runs


def resample(
    problem: Problem,
    best_K: Floats,
    targets_M: Floats,
    spread: Spread,
    *,
    num_resamples: int,
    seed: int,
    clusters_M: Ints | None = None,
) -> Solved:
    """Refits to drawn runs; as many as asked for, fewer where hardly a draw tells K constants."""
    counts = draw_counts(
        np.arange(len(targets_M)) if clusters_M is None else clusters_M,
        fewest_runs=len(best_K) + 1,
        num_draws=num_resamples,
        seed=seed,
    )
    starts = np.tile(best_K, (len(counts), 1))
    solved = solve(problem, starts, targets_M[None], weights_RM=counts)
    apart = (solved.constants_RK - best_K) * expansion(spread, len(targets_M), len(best_K))
    return Solved(
        constants_RK=np.clip(best_K + apart, *problem.bounds_K2.T),
        objective_R=solved.objective_R,
        converged_R=solved.converged_R,
    )


def draw_counts(clusters_M: Ints, *, fewest_runs: int, num_draws: int, seed: int) -> Floats:
    """[draws, M]: how often each run is drawn, a cluster as a whole.

    Draws with fewer than ``fewest_runs`` different runs are left out, and drawn anew.
    """
    generator = np.random.default_rng(seed)
    names, member_M = np.unique(clusters_M, return_inverse=True)
    share = np.full(len(names), 1 / len(names))
    kept: list[Floats] = []
    num_kept, num_tried = 0, 0
    while num_kept < num_draws and num_tried < MOST_TRIES * num_draws:
        drawn = generator.multinomial(len(names), share, size=num_draws)[:, member_M]
        enough = drawn[(drawn > 0).sum(axis=1) >= fewest_runs]
        kept.append(enough.astype(np.float64))
        num_kept, num_tried = num_kept + len(enough), num_tried + num_draws
    return np.concatenate([np.zeros((0, len(clusters_M))), *kept])[:num_draws]


def expansion(spread: Spread, num_points: int, num_constants: int) -> float:
    """Factor on the distance of refits from the best fit; at least 1."""
    by_squares = spread.quantile / norm.ppf(0.5 + LEVEL / 2)
    by_squares *= np.sqrt(num_points / (num_points - num_constants))
    return float(1 + spread.slope_share * (by_squares - 1))
