"""Estimate the uncertainty of a regression: sandwich standard errors, and resampling of runs.

An M-estimator that minimises the sum of rho(residual), with psi = rho', has to first order the
covariance  H^-1 S H^-1,  H = sum E[psi'_i] x_i x_i^T  and  S = sum psi_i^2 x_i x_i^T, where x_i are
the derivatives of residual i by the log constants (Huber 1967; White 1980). It holds for noise of
unequal size. Residuals in S are those of leaving the run out, e / (1 - leverage): HC3, which
MacKinnon and White (1985) find best in small samples. With clusters, S sums the scores of each
cluster before it squares them, and leaves a whole cluster out at once, e_g -> (I - H_gg)^-1 e_g:
CR3 (Bell and McCaffrey 2002; Cameron and Miller 2015).

For squares E[psi'_i] is 1. With Huber's objective and a reach far below the noise it is the density
of residual i at 0, times twice the reach: a Gaussian kernel at that residual alone (Powell 1991),
so that runs in a noisy region weigh little. One density for all runs gave standard errors that held
the truth in 70 to 80 % where 95 % were stated, on published runs of others; see the coverage table
in docs/scaling_laws.md.

The bootstrap draws runs with their own residuals ("pairs", Freedman 1981), alone or in whole
clusters. Residuals of real runs spread more in some places than in others, and pooled residuals
cover too little there. Besiroglu et al. 2024 (arXiv 2404.10102) also draw pairs, 4,000 times, and
print the standard deviation of the refits as standard error. A wild bootstrap instead keeps every
run and draws a factor for its residual, or one factor per cluster.

Fits of squares make residuals smaller than the noise by sqrt((M - K) / M), and percentiles are a
Gaussian's although Student's t is due: refits are therefore moved away from the best fit by the
quotient of both (Hesterberg 2015, "expanded percentiles"). Huber's objective needs this in
proportion to the share of residuals within its reach: with few of them, refits of absolute
deviations spread enough by themselves (97-99 % of intervals cover for 20 runs and 5 constants).
Shapes: B draws, M runs, K constants, G clusters.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr
from scipy.stats import norm

from rote.analysis.estimate import ENDS, student
from rote.analysis.fits.regression import RegressionProblem, solve
from rote.core.arrays import Floats

Ints = NDArray[np.int64]

LEAST_NOISE = 1e-10  # least noise of a residual: keeps the scale of an exact fit above rounding
LEAST_FELT = 1e-9  # derivative by a log constant, over all runs: smaller is rounding
LEAST_EIGENVALUE = 1e-13  # of the normal matrix at unit diagonal: a smaller one is rounding
LEAST_FREEDOM = 1e-6  # 1 - leverage of a run that alone determines a constant; its residual is 0
NORMAL_REFERENCE = 1.06  # kernel width over deviation * M^(-1/5) (Silverman 1986, eq. 3.28)
GAUSSIAN_MEDIAN = 0.6745  # median of |residual| over the standard deviation


@dataclass(frozen=True, kw_only=True)
class RegressionFit:
    """A minimum, and the first-order uncertainty of its log constants.

    NaN for a constant that is not identified, because it lies at a bound or no run depends on it.
    """

    problem: RegressionProblem
    best_K: Floats
    clusters_M: Ints | None  # runs whose residuals may depend on each other; None: each alone
    objective: float  # at the minimum
    residuals_M: Floats  # residuals of the objective
    jacobian_MK: Floats  # derivatives of the residuals by the log constants
    covariance_KK: Floats  # the sandwich
    inverse_KK: Floats  # H^-1, of the objective's expected curvature
    slope_share: float  # mean of E[psi'_i]: 1 for squares, near 0 for absolute deviations
    degrees: int  # degrees of freedom
    condition: float  # condition of H at unit diagonal

    @property
    def log_residuals_M(self) -> Floats:
        """Residuals of ln(output), whatever residuals are minimised."""
        return np.asarray(self.problem.targets_M - self.problem.log_output(self.best_K[None])[0])

    @property
    def spare(self) -> int:
        """Number of runs beyond the number of constants."""
        return len(self.residuals_M) - len(self.best_K)

    @cached_property
    def quantile(self) -> float:
        """Student's quantile, two-sided, for the degrees of freedom."""
        return student(self.degrees)

    @property
    def errors_K(self) -> Floats:
        """Standard errors of the log constants."""
        return np.sqrt(np.diag(self.covariance_KK))

    @property
    def interval_K2(self) -> Floats:
        """95 % intervals of the log constants, from standard errors."""
        return self.best_K[:, None] + np.outer(self.quantile * self.errors_K, [-1.0, 1.0])

    @property
    def correlation_KK(self) -> Floats:
        """Correlations of the log constants."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.covariance_KK / np.outer(self.errors_K, self.errors_K)

    @property
    def tension_K(self) -> Floats:
        """Divisor that makes twice the objective's rise along a constant's profile chi-squared.

        It is the ratio of the two variances, which makes each profile robust (Royall and Tsou 2003,
        for a likelihood of a wrong model). A constant that is not free takes that of equal noise,
        E[psi^2] / E[psi'].
        """
        squares = float((self.problem.slope(self.residuals_M) ** 2).sum())
        pooled = max(squares / self.spare, LEAST_NOISE**2) / self.slope_share
        with np.errstate(invalid="ignore", divide="ignore"):
            robust = np.diag(self.covariance_KK) / np.diag(self.inverse_KK)
        return np.where(np.isfinite(robust), robust, pooled)


def regression_fit(
    problem: RegressionProblem, best_K: Floats, clusters_M: Ints | None = None
) -> RegressionFit:
    """Describe the fit at the minimum; needs more points than constants."""
    residuals, jacobian = (each(best_K[None])[0] for each in (problem.residuals, problem.jacobian))
    low, high = problem.bounds_K2.T
    felt = np.linalg.norm(jacobian, axis=0) > LEAST_FELT
    free = felt & (best_K > low) & (best_K < high)
    design, shares = jacobian[:, free], _slope_shares(problem, residuals)
    inverse, values = inverse_normal(design * np.sqrt(shares)[:, None])
    slope = problem.slope(residuals)
    noisy = np.where(np.abs(slope) < LEAST_NOISE, LEAST_NOISE, slope)
    left_out = left_out_residuals(design, noisy, clusters_M)
    matrices = np.full((2, len(best_K), len(best_K)), np.nan)
    matrices[:, *np.ix_(free, free)] = inverse, sandwich(inverse, design, left_out, clusters_M)
    num_clusters = len(residuals) if clusters_M is None else len(np.unique(clusters_M))
    return RegressionFit(
        problem=problem,
        best_K=best_K,
        clusters_M=clusters_M,
        objective=float(problem.objective(best_K[None])[0]),
        residuals_M=residuals,
        jacobian_MK=jacobian,
        covariance_KK=matrices[1],
        inverse_KK=matrices[0],
        slope_share=float(shares.mean()),
        degrees=min(len(residuals) - len(best_K), num_clusters - 1),
        condition=float(values[-1] / values[0]) if free.any() else 1.0,
    )


def _slope_shares(problem: RegressionProblem, residuals_M: Floats) -> Floats:
    """Return E[psi'_i], [M]: the probability that each run's residual is within the reach."""
    size, reach = np.abs(residuals_M), problem.reach
    if np.isinf(reach):
        return np.ones_like(size)
    deviation = float(np.sqrt((size**2).mean()))
    scale = max(min(deviation, float(np.median(size)) / GAUSSIAN_MEDIAN), LEAST_NOISE)
    width = NORMAL_REFERENCE * scale * len(size) ** -0.2
    return np.asarray(ndtr((reach - size) / width) - ndtr((-reach - size) / width))


def inverse_normal(design_MK: Floats) -> tuple[Floats, Floats]:
    """Return the inverse of the normal matrix, and its eigenvalues at unit diagonal, rising."""
    scale = np.linalg.norm(design_MK, axis=0)
    scale[scale == 0] = 1.0  # a constant that nothing depends on has an eigenvalue of 0
    values, vectors = np.linalg.eigh((design_MK / scale).T @ (design_MK / scale))
    values = np.maximum(values, LEAST_EIGENVALUE)
    return (vectors / values) @ vectors.T / np.outer(scale, scale), values


def leverage(design_MK: Floats) -> Floats:
    """Return the leverages [M]; columns may have any scale, but none may be all 0."""
    return np.asarray((_orthonormal(design_MK) ** 2).sum(axis=1))


def left_out_residuals(
    design_MK: Floats, residuals_M: Floats, clusters_M: Ints | None = None
) -> Floats:
    """Return the residuals [M] of a linear fit that leaves out each run, or its whole cluster.

    Without clusters each run is left out alone. Covariances and wild bootstraps from these
    residuals are not too narrow if a fit follows its own runs, or if noise is unequal.
    """
    if clusters_M is None:
        return np.asarray(residuals_M / np.maximum(1 - leverage(design_MK), LEAST_FREEDOM))
    root = _orthonormal(design_MK)
    left_out = np.empty_like(residuals_M)
    for cluster in np.unique(clusters_M):
        inside = clusters_M == cluster
        values, vectors = np.linalg.eigh(np.eye(int(inside.sum())) - root[inside] @ root[inside].T)
        turned = vectors.T @ residuals_M[inside]
        left_out[inside] = vectors @ (turned / np.maximum(values, LEAST_FREEDOM))
    return left_out


def sandwich(
    inverse_KK: Floats, design_MK: Floats, left_out_M: Floats, clusters_M: Ints | None
) -> Floats:
    """Return the covariance [K, K] of scores that are summed over each cluster, then squared."""
    scores = design_MK * left_out_M[:, None]
    if clusters_M is not None:
        names, member_M = np.unique(clusters_M, return_inverse=True)
        by_run, scores = scores, np.zeros((len(names), design_MK.shape[1]))
        np.add.at(scores, member_M, by_run)
    return np.asarray(inverse_KK @ (scores.T @ scores) @ inverse_KK)


def _orthonormal(design_MK: Floats) -> Floats:
    root, _ = np.linalg.qr(design_MK / np.linalg.norm(design_MK, axis=0))
    return np.asarray(root)


MOST_TRIES = 1000  # draws per kept one, if nearly all lack runs
WEBB = np.sqrt([1.5, 1.0, 0.5])  # sizes of weights: 6^G draws differ, 2^G with signs alone
GAUSSIAN = norm.ppf(ENDS[1])


def refits(fit: RegressionFit, *, num_resamples: int, seed: int) -> Floats:
    """Return the log constants [B, K] of converged refits to drawn runs, started from the best fit.

    Fewer than requested if hardly any draw identifies K constants.
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
    """Return [B, M]: how often each run is drawn, a cluster as a whole.

    Draws with fewer than ``fewest_runs`` different runs are discarded and drawn anew.
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
    """Return the factor on the distance of refits from the best fit, at least 1."""
    by_squares = fit.quantile / GAUSSIAN * np.sqrt(len(fit.problem.targets_M) / fit.spare)
    return float(1 + fit.slope_share * (by_squares - 1))


def clusters_of_sizes(sizes_M: ArrayLike) -> Ints:
    """Return the size of each run as its cluster; with a single size each run is a cluster."""
    names, member_M = np.unique(sizes_M, return_inverse=True)
    return np.asarray(member_M if len(names) > 1 else np.arange(len(member_M)), dtype=np.int64)


def wild_noise(
    design_MK: Floats, residuals_M: Floats, clusters_M: Ints, *, num_draws: int, seed: int
) -> Floats:
    """Return the noise [B, M] that a wild bootstrap adds to a fit with these derivatives.

    It is the residuals of leaving each cluster out, times one weight of mean 0 and variance 1 for
    all runs of a cluster (Webb 2023), times Student's t of M - K degrees or, if fewer, G - 1 over
    the Gaussian's 1.96, because intervals are percentiles.
    """
    names, member_M = np.unique(clusters_M, return_inverse=True)
    left_out = left_out_residuals(design_MK, residuals_M, clusters_M)
    values = np.concatenate([WEBB, -WEBB])
    weights = np.random.default_rng(seed).choice(values, size=(num_draws, len(names)))
    degrees = max(len(residuals_M) - design_MK.shape[1], 1)
    return np.asarray(
        left_out * weights[:, member_M] * student(min(degrees, len(names) - 1)) / GAUSSIAN
    )
