"""Resampling: runs drawn with replacement, alone or in clusters, and wild noise for whole clusters.

Runs are drawn with their own residuals ("pairs", Freedman 1981) rather than residuals for any run:
those of real runs spread more in some places than in others, and a pooled residual covers too
little there. Besiroglu et al. 2024 (arXiv 2404.10102) do so too, 4,000 times, and print the
standard deviation of the refits as standard error. With clusters whole clusters are drawn. A wild
bootstrap leaves every run and draws what its residual is multiplied with.

Squares make residuals smaller than the noise by sqrt((M - K) / M), and percentiles are a Gaussian's
where Student's t is due: refits are therefore moved away from the best fit by the quotient of both
(Hesterberg 2015, "expanded percentiles"). Huber's objective needs as much of that as the share of
residuals within its reach: with few of them, refits of absolute deviations spread enough by
themselves (97-99 % of intervals cover for 20 runs and 5 constants).
Shapes: B draws, M runs, K constants.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from rote.analysis.fits.level import ENDS, student
from rote.analysis.fits.regression import solve
from rote.analysis.fits.uncertainty import Floats, Ints, RegressionFit, left_out_residuals

MOST_TRIES = 1000  # draws for each that is kept, where nearly all lack runs
WEBB = np.sqrt([1.5, 1.0, 0.5])  # sizes of weights: 6^G draws differ where signs alone give 2^G
GAUSSIAN = norm.ppf(ENDS[1])


def refits(fit: RegressionFit, *, num_resamples: int, seed: int) -> Floats:
    """Log constants [B, K] of refits to drawn runs that settled, warm-started from the best fit.

    Fewer than asked for where hardly a draw tells K constants.
    """
    best_K, num_runs = fit.best_K, len(fit.problem.targets_M)
    clusters_M = np.arange(num_runs) if fit.clusters_M is None else fit.clusters_M
    generator = np.random.default_rng(seed)
    counts = draw_counts(
        clusters_M, generator, num_draws=num_resamples, fewest_runs=len(best_K) + 1
    )
    solved = solve(fit.problem, np.tile(best_K, (len(counts), 1)), weights_RM=counts)
    moved = fit.problem.inside(best_K + (solved.constants_RK - best_K) * expansion(fit))
    return moved[solved.converged_R]


def draw_counts(
    clusters_M: Ints, generator: np.random.Generator, *, num_draws: int, fewest_runs: int = 1
) -> Floats:
    """[B, M]: how often each run is drawn, a cluster as a whole.

    Draws with fewer than ``fewest_runs`` different runs are left out, and drawn anew.
    """
    names, member_M = np.unique(clusters_M, return_inverse=True)
    share = np.full(len(names), 1 / len(names))
    kept = [np.zeros((0, len(clusters_M)))]
    num_kept, num_tried = 0, 0
    while num_kept < num_draws and num_tried < MOST_TRIES * num_draws:
        drawn = generator.multinomial(len(names), share, size=num_draws)[:, member_M]
        kept.append(drawn[(drawn > 0).sum(axis=1) >= fewest_runs].astype(np.float64))
        num_kept, num_tried = num_kept + len(kept[-1]), num_tried + num_draws
    return np.concatenate(kept)[:num_draws]


def expansion(fit: RegressionFit) -> float:
    """Factor on the distance of refits from the best fit; at least 1."""
    by_squares = fit.quantile / GAUSSIAN * np.sqrt(len(fit.problem.targets_M) / fit.spare)
    return float(1 + fit.slope_share * (by_squares - 1))


def clusters_of_sizes(sizes_M: ArrayLike) -> Ints:
    """The size of each run as a cluster; of one size alone each run is a cluster of its own."""
    names, member_M = np.unique(sizes_M, return_inverse=True)
    return np.asarray(member_M if len(names) > 1 else np.arange(len(member_M)), dtype=np.int64)


def wild_noise(
    design_MK: Floats, residuals_M: Floats, clusters_M: Ints, *, num_draws: int, seed: int
) -> Floats:
    """[B, M]: what a wild bootstrap adds to a fit with these derivatives.

    Residuals of leaving each cluster out, times one weight of mean 0 and variance 1 for all runs of
    a cluster (Webb 2023), times Student's t of M - K degrees or, if fewer, G - 1 over the
    Gaussian's 1.96, since intervals are percentiles.
    """
    names, member_M = np.unique(clusters_M, return_inverse=True)
    left_out = left_out_residuals(design_MK, residuals_M, clusters_M)
    values = np.concatenate([WEBB, -WEBB])
    weights = np.random.default_rng(seed).choice(values, size=(num_draws, len(names)))
    degrees = max(len(residuals_M) - design_MK.shape[1], 1)
    return np.asarray(
        left_out * weights[:, member_M] * student(min(degrees, len(names) - 1)) / GAUSSIAN
    )
