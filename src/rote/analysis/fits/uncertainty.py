"""Standard errors of a regression that hold for noise of unequal size: the sandwich.

An M-estimator that minimises the sum of rho(residual), with psi = rho', has to first order the
covariance  H^-1 S H^-1,  H = sum E[psi'_i] x_i x_i^T  and  S = sum psi_i^2 x_i x_i^T, where x_i are
the derivatives of residual i by the log constants (Huber 1967; White 1980). Residuals in S are
those of leaving the run out, e / (1 - leverage): HC3, which MacKinnon and White (1985) find best in
small samples. With clusters, S sums the scores of each cluster before it squares them, and a whole
cluster is left out at once (CR3; Cameron and Miller 2015).

For squares E[psi'_i] is 1. With Huber's objective and a reach far below the noise it is the density
of residual i at 0, times twice the reach: a Gaussian kernel at that residual alone (Powell 1991),
so that runs in a noisy region weigh little. One density for all runs, whatever their noise, gave
standard errors that held the truth in 70 to 80 % where 95 % were stated, on runs that others
published; see the coverage table in docs/scaling_laws.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import t as student_t

from rote.analysis.fits.left_out import Ints, cluster_sums, left_out_residuals
from rote.analysis.fits.level import LEVEL
from rote.analysis.fits.regression import Problem

Floats = NDArray[np.float64]

LEAST_NOISE = 1e-10  # of a residual: an exact fit keeps a scale above the rounding
LEAST_FELT = 1e-9  # derivative by a log constant, over all runs: what differences leave of none
LEAST_EIGENVALUE = 1e-13  # of the normal matrix at unit diagonal: below it rounding decides
NORMAL_REFERENCE = 1.06  # kernel width over deviation * M^(-1/5) (Silverman 1986, eq. 3.28)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """First-order uncertainty of the log constants.

    NaN for a constant that is not identified: it lies at a bound, or no run depends on it.
    """

    covariance_KK: Floats  # the sandwich
    inverse_KK: Floats  # H^-1, of the objective's expected curvature
    pooled_tension: float  # E[psi^2] / E[psi'], were the noise equal
    slope_share: float  # mean of E[psi'_i]: 1 for squares, near 0 for absolute deviations
    degrees: int  # of freedom
    condition: float  # of H at unit diagonal

    @property
    def errors_K(self) -> Floats:
        """Standard errors of the log constants."""
        return np.sqrt(np.diag(self.covariance_KK))

    @property
    def tension_K(self) -> Floats:
        """Twice an objective's rise along the profile of a constant, over this, is chi-squared.

        The ratio of the two variances makes the profile of each constant robust (Royall and Tsou
        2003, for a likelihood of a wrong model). The pooled one for a constant that is not free.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            robust = np.diag(self.covariance_KK) / np.diag(self.inverse_KK)
        return np.where(np.isfinite(robust), robust, self.pooled_tension)

    @property
    def correlation_KK(self) -> Floats:
        """Of the log constants."""
        errors = self.errors_K
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.covariance_KK / np.outer(errors, errors)

    @property
    def quantile(self) -> float:
        """Student's, two-sided, for the degrees of freedom."""
        return float(student_t.ppf(0.5 + LEVEL / 2, self.degrees))


def spread(
    problem: Problem, constants_K: Floats, targets_M: Floats, clusters_M: Ints | None = None
) -> Spread:
    """At the minimum; takes more points than constants.

    ``clusters_M`` numbers the groups of runs whose residuals may depend on each other; None: every
    run is its own group.
    """
    residuals = problem.residuals(constants_K[None], targets_M[None])[0]
    jacobian = problem.jacobian(constants_K[None], targets_M[None])[0]
    low, high = problem.bounds_K2.T
    felt = np.linalg.norm(jacobian, axis=0) > LEAST_FELT
    free = felt & (constants_K > low) & (constants_K < high)
    design = jacobian[:, free]
    slopes = slope_shares(problem, residuals)
    inverse, condition = _inverse(design * np.sqrt(slopes)[:, None])
    slope = problem.slope(residuals)
    noisy = np.where(np.abs(slope) < LEAST_NOISE, LEAST_NOISE, slope)
    left_out = left_out_residuals(design, noisy, clusters_M)
    scores = cluster_sums(design * left_out[:, None], clusters_M)
    meat = scores.T @ scores
    degrees = _degrees(len(targets_M), len(constants_K), clusters_M)
    squares = float((slope**2).sum()) / (len(targets_M) - len(constants_K))
    return Spread(
        covariance_KK=_embedded(inverse @ meat @ inverse, free),
        inverse_KK=_embedded(inverse, free),
        pooled_tension=max(squares, LEAST_NOISE**2) / float(slopes.mean()),
        slope_share=float(slopes.mean()),
        degrees=degrees,
        condition=condition,
    )


def slope_shares(problem: Problem, residuals_M: Floats) -> Floats:
    """E[psi'_i] of each run, [M]: how often its residual falls within the reach."""
    if np.isinf(problem.reach):
        return np.ones_like(residuals_M)
    size = np.abs(residuals_M)
    deviation = float(np.sqrt((size**2).mean()))
    middle = float(np.median(size)) / 0.6745  # both are the deviation of a Gaussian
    scale = max(min(deviation, middle), LEAST_NOISE)
    width = NORMAL_REFERENCE * scale * len(size) ** -0.2
    within = ndtr((problem.reach - size) / width) - ndtr((-problem.reach - size) / width)
    return np.asarray(within)


def _degrees(num_points: int, num_constants: int, clusters_M: Ints | None) -> int:
    rows = num_points - num_constants
    return rows if clusters_M is None else min(rows, len(np.unique(clusters_M)) - 1)


def _embedded(matrix: Floats, free: NDArray[np.bool_]) -> Floats:
    """Among all constants; NaN for those that are not free."""
    whole = np.full((len(free), len(free)), np.nan)
    whole[np.ix_(free, free)] = matrix
    return whole


def _inverse(design: Floats) -> tuple[Floats, float]:
    """Of the normal matrix, and its condition at unit diagonal."""
    scale = np.linalg.norm(design, axis=0)
    values, vectors = np.linalg.eigh((design / scale).T @ (design / scale))
    values = np.maximum(values, LEAST_EIGENVALUE)
    unit = (vectors / values) @ vectors.T
    return unit / np.outer(scale, scale), float(values[-1] / values[0])
