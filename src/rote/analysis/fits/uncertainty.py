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
from rote.analysis.fits.regression import Flags, Problem

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
    """A minimum, and the first-order uncertainty of its log constants; it takes M > K.

    NaN for a constant that is not identified: it lies at a bound, or no run depends on it.
    """

    problem: Problem
    best_K: Floats
    clusters_M: Ints | None = (
        None  # runs whose residuals may depend on each other; None: each alone
    )

    @cached_property
    def residuals_M(self) -> Floats:
        """What the objective is a function of."""
        return np.asarray(self.problem.residuals(self.best_K[None])[0])

    @cached_property
    def log_residuals_M(self) -> Floats:
        """Of ln(output), whatever is minimised."""
        return np.asarray(self.problem.targets_M - self.problem.log_output(self.best_K[None])[0])

    @cached_property
    def jacobian_MK(self) -> Floats:
        """Derivatives of the residuals by the log constants."""
        return np.asarray(self.problem.jacobian(self.best_K[None])[0])

    @cached_property
    def objective(self) -> float:
        """Its least value."""
        return float(self.problem.objective(self.best_K[None])[0])

    @cached_property
    def slope_shares_M(self) -> Floats:
        """E[psi'_i]: how often each run's residual falls within the reach."""
        size, reach = np.abs(self.residuals_M), self.problem.reach
        if np.isinf(reach):
            return np.ones_like(size)
        deviation = float(np.sqrt((size**2).mean()))
        scale = max(min(deviation, float(np.median(size)) / GAUSSIAN_MEDIAN), LEAST_NOISE)
        width = NORMAL_REFERENCE * scale * len(size) ** -0.2
        return np.asarray(ndtr((reach - size) / width) - ndtr((-reach - size) / width))

    @property
    def slope_share(self) -> float:
        """Mean of E[psi'_i]: 1 for squares, near 0 for absolute deviations."""
        return float(self.slope_shares_M.mean())

    @cached_property
    def _free_K(self) -> Flags:
        low, high = self.problem.bounds_K2.T
        felt = np.linalg.norm(self.jacobian_MK, axis=0) > LEAST_FELT
        return np.asarray(felt & (self.best_K > low) & (self.best_K < high))

    @cached_property
    def _normal(self) -> tuple[Floats, float]:
        """The inverse of H, of the free constants, and its condition at unit diagonal."""
        design = self.jacobian_MK[:, self._free_K] * np.sqrt(self.slope_shares_M)[:, None]
        scale = np.linalg.norm(design, axis=0)
        values, vectors = np.linalg.eigh((design / scale).T @ (design / scale))
        values = np.maximum(values, LEAST_EIGENVALUE)
        unit = (vectors / values) @ vectors.T
        return unit / np.outer(scale, scale), float(values[-1] / values[0])

    @property
    def condition(self) -> float:
        """Of H at unit diagonal."""
        return self._normal[1]

    @cached_property
    def inverse_KK(self) -> Floats:
        """H^-1, of the objective's expected curvature."""
        return self._among_all(self._normal[0])

    @cached_property
    def covariance_KK(self) -> Floats:
        """The sandwich."""
        slope = self.problem.slope(self.residuals_M)
        noisy = np.where(np.abs(slope) < LEAST_NOISE, LEAST_NOISE, slope)
        design = self.jacobian_MK[:, self._free_K]
        left_out = left_out_residuals(design, noisy, self.clusters_M)
        return self._among_all(sandwich(self._normal[0], design, left_out, self.clusters_M))

    def _among_all(self, matrix: Floats) -> Floats:
        whole = np.full((len(self.best_K), len(self.best_K)), np.nan)
        whole[np.ix_(self._free_K, self._free_K)] = matrix
        return whole

    @cached_property
    def errors_K(self) -> Floats:
        """Standard errors of the log constants."""
        return np.sqrt(np.diag(self.covariance_KK))

    @cached_property
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

    @property
    def correlation_KK(self) -> Floats:
        """Of the log constants."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.covariance_KK / np.outer(self.errors_K, self.errors_K)

    @property
    def spare(self) -> int:
        """Runs beside the constants."""
        return len(self.problem.targets_M) - len(self.best_K)

    @property
    def degrees(self) -> int:
        """Of freedom."""
        if self.clusters_M is None:
            return self.spare
        return min(self.spare, len(np.unique(self.clusters_M)) - 1)

    @cached_property
    def quantile(self) -> float:
        """Student's, two-sided, for the degrees of freedom."""
        return student(self.degrees)

    @property
    def interval_K2(self) -> Floats:
        """95 % of the log constants, from standard errors."""
        return self.best_K[:, None] + np.outer(self.quantile * self.errors_K, [-1.0, 1.0])

    @property
    def leverage_M(self) -> Floats:
        """From 0 to 1: how far each run's prediction follows its own output, to first order."""
        jacobian = np.nan_to_num(self.jacobian_MK)
        return leverage(jacobian[:, np.linalg.norm(jacobian, axis=0) > 0])


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
