"""Standard errors of a regression that hold for noise of unequal size: the sandwich.

An M-estimator that minimises the sum of rho(residual), with psi = rho', has to first order the
covariance  H^-1 S H^-1,  H = sum E[psi'_i] x_i x_i^T  and  S = sum psi_i^2 x_i x_i^T, where x_i are
the derivatives of residual i by the log constants (Huber 1967; White 1980). Residuals in S are
those of leaving the run out, e / (1 - leverage): HC3, which MacKinnon and White (1985) find best in
small samples. With clusters, S sums the scores of each cluster before it squares them, and a whole
cluster is left out at once, e_g -> (I - H_gg)^-1 e_g: CR3 (Bell and McCaffrey 2002; Cameron and
Miller 2015).

For squares E[psi'_i] is 1. With Huber's objective and a reach far below the noise it is the density
of residual i at 0, times twice the reach: a Gaussian kernel at that residual alone (Powell 1991),
so that runs in a noisy region weigh little. One density for all runs, whatever their noise, gave
standard errors that held the truth in 70 to 80 % where 95 % were stated, on runs that others
published; see the coverage table in docs/scaling_laws.md.
Shapes: M runs, K constants, G clusters.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from rote.analysis.fits.level import student
from rote.analysis.fits.regression import RegressionProblem

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_NOISE = 1e-10  # of a residual: an exact fit keeps a scale above the rounding
LEAST_FELT = 1e-9  # derivative by a log constant, over all runs: what differences leave of none
LEAST_EIGENVALUE = 1e-13  # of the normal matrix at unit diagonal: below it rounding decides
LEAST_FREEDOM = 1e-6  # 1 - leverage of a run that alone determines a constant; its residual is 0
NORMAL_REFERENCE = 1.06  # kernel width over deviation * M^(-1/5) (Silverman 1986, eq. 3.28)
GAUSSIAN_MEDIAN = 0.6745  # of |residual|, over the standard deviation


@dataclass(frozen=True, kw_only=True)
class RegressionFit:
    """A minimum, and the first-order uncertainty of its log constants.

    NaN for a constant that is not identified: it lies at a bound, or no run depends on it.
    """

    problem: RegressionProblem
    best_K: Floats
    clusters_M: Ints | None  # runs whose residuals may depend on each other; None: each alone
    objective: float  # the least
    residuals_M: Floats  # what the objective is a function of
    jacobian_MK: Floats  # their derivatives by the log constants
    covariance_KK: Floats  # the sandwich
    inverse_KK: Floats  # H^-1, of the objective's expected curvature
    slope_share: float  # mean of E[psi'_i]: 1 for squares, near 0 for absolute deviations
    degrees: int  # of freedom
    condition: float  # of H at unit diagonal

    @property
    def log_residuals_M(self) -> Floats:
        """Of ln(output), whatever is minimised."""
        return np.asarray(self.problem.targets_M - self.problem.log_output(self.best_K[None])[0])

    @property
    def spare(self) -> int:
        """Runs beside the constants."""
        return len(self.residuals_M) - len(self.best_K)

    @cached_property
    def quantile(self) -> float:
        """Student's, two-sided, for the degrees of freedom."""
        return student(self.degrees)

    @property
    def errors_K(self) -> Floats:
        """Standard errors of the log constants."""
        return np.sqrt(np.diag(self.covariance_KK))

    @property
    def interval_K2(self) -> Floats:
        """95 % of the log constants, from standard errors."""
        return self.best_K[:, None] + np.outer(self.quantile * self.errors_K, [-1.0, 1.0])

    @property
    def correlation_KK(self) -> Floats:
        """Of the log constants."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.covariance_KK / np.outer(self.errors_K, self.errors_K)

    @property
    def tension_K(self) -> Floats:
        """Twice an objective's rise along the profile of a constant, over this, is chi-squared.

        The ratio of the two variances makes the profile of each constant robust (Royall and Tsou
        2003, for a likelihood of a wrong model). For a constant that is not free it is that of
        equal noise, E[psi^2] / E[psi'].
        """
        squares = float((self.problem.slope(self.residuals_M) ** 2).sum())
        pooled = max(squares / self.spare, LEAST_NOISE**2) / self.slope_share
        with np.errstate(invalid="ignore", divide="ignore"):
            robust = np.diag(self.covariance_KK) / np.diag(self.inverse_KK)
        return np.where(np.isfinite(robust), robust, pooled)


def regression_fit(
    problem: RegressionProblem, best_K: Floats, clusters_M: Ints | None = None
) -> RegressionFit:
    """At the minimum; takes more points than constants."""
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
    """E[psi'_i], [M]: how often each run's residual falls within the reach."""
    size, reach = np.abs(residuals_M), problem.reach
    if np.isinf(reach):
        return np.ones_like(size)
    deviation = float(np.sqrt((size**2).mean()))
    scale = max(min(deviation, float(np.median(size)) / GAUSSIAN_MEDIAN), LEAST_NOISE)
    width = NORMAL_REFERENCE * scale * len(size) ** -0.2
    return np.asarray(ndtr((reach - size) / width) - ndtr((-reach - size) / width))


def inverse_normal(design_MK: Floats) -> tuple[Floats, Floats]:
    """Inverse of the normal matrix, and its eigenvalues at unit diagonal, rising."""
    scale = np.linalg.norm(design_MK, axis=0)
    scale[scale == 0] = 1.0  # a constant that nothing depends on has an eigenvalue of 0
    values, vectors = np.linalg.eigh((design_MK / scale).T @ (design_MK / scale))
    values = np.maximum(values, LEAST_EIGENVALUE)
    return (vectors / values) @ vectors.T / np.outer(scale, scale), values


def leverage(design_MK: Floats) -> Floats:
    """[M]; columns may be of any scale, and none of them all 0."""
    return np.asarray((_orthonormal(design_MK) ** 2).sum(axis=1))


def left_out_residuals(
    design_MK: Floats, residuals_M: Floats, clusters_M: Ints | None = None
) -> Floats:
    """[M], of leaving the run, or its whole cluster, out of a linear fit; without clusters alone.

    Covariances and wild bootstraps of them are neither narrow where a fit follows its own runs,
    nor where noise is unequal.
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
    """[K, K] of scores that are added up in each cluster before they are squared."""
    scores = design_MK * left_out_M[:, None]
    if clusters_M is not None:
        names, member_M = np.unique(clusters_M, return_inverse=True)
        by_run, scores = scores, np.zeros((len(names), design_MK.shape[1]))
        np.add.at(scores, member_M, by_run)
    return np.asarray(inverse_KK @ (scores.T @ scores) @ inverse_KK)


def _orthonormal(design_MK: Floats) -> Floats:
    root, _ = np.linalg.qr(design_MK / np.linalg.norm(design_MK, axis=0))
    return np.asarray(root)
