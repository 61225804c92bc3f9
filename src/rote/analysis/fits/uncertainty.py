"""Standard errors of a regression, and how well its constants are told apart.

An M-estimator that minimises the sum of rho(residual), with psi = rho', has to first order the
covariance  E[psi^2] / E[psi']^2 * (J^T J)^-1  (Huber 1981, section 7.6). For squares that is
Gauss-Newton's. With Huber's objective and a reach far below the noise it is nearly that of least
absolute deviations: E[psi'] is the share of residuals within the reach. Counted, that share would
rest on a handful of runs, K of which the fit itself pulled there; it is therefore read off a
Gaussian kernel density of the other residuals.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import t as student_t

from rote.analysis.fits.level import LEVEL
from rote.analysis.fits.regression import Problem

Floats = NDArray[np.float64]

LEAST_NOISE = 1e-10  # of a residual: an exact fit keeps a scale above the rounding
LEAST_FELT = 1e-9  # derivative by a log constant, over all runs: what differences leave of none
LEAST_EIGENVALUE = 1e-13  # of the normal matrix at unit diagonal: below it rounding decides


@dataclass(frozen=True, kw_only=True)
class Spread:
    """First-order uncertainty of the log constants; a constant that is not told has NaN: one at a bound, or one that no run feels."""

    covariance_KK: Floats
    tension: float  # E[psi^2] / E[psi']: twice an objective's rise over this is chi-squared
    degrees: int
    condition: float  # of the normal matrix at unit diagonal

    @property
    def errors_K(self) -> Floats:
        """Standard errors of the log constants."""
        return np.sqrt(np.diag(self.covariance_KK))

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


def spread(problem: Problem, constants_K: Floats, targets_M: Floats) -> Spread:
    """At the minimum; takes more points than constants."""
    residuals = problem.residuals(constants_K[None], targets_M[None])[0]
    jacobian = problem.jacobian(constants_K[None], targets_M[None])[0]
    low, high = problem.bounds_K2.T
    felt = np.linalg.norm(jacobian, axis=0) > LEAST_FELT
    free = felt & (constants_K > low) & (constants_K < high)
    degrees = len(targets_M) - len(constants_K)
    squares, fall = _moments(problem, residuals, len(constants_K))
    inverse, condition = _inverse(jacobian[:, free])
    covariance = np.full((len(constants_K), len(constants_K)), np.nan)
    covariance[np.ix_(free, free)] = squares / fall**2 * inverse
    return Spread(
        covariance_KK=covariance, tension=squares / fall, degrees=degrees, condition=condition
    )


def _moments(problem: Problem, residuals: Floats, num_constants: int) -> tuple[float, float]:
    """E[psi^2], the fit's degrees of freedom spent, and E[psi']."""
    num_points = len(residuals)
    slopes = problem.slope(residuals)
    squares = float(slopes @ slopes) / (num_points - num_constants)
    squares = max(squares, LEAST_NOISE**2)
    if np.isinf(problem.reach):
        return squares, 1.0
    others = np.sort(np.abs(residuals))[num_constants:]
    both = np.concatenate([others, -others])
    deviation = float(np.sqrt(others @ others / len(others)))
    middle = float(np.median(others)) / 0.6745  # both are the deviation of a Gaussian
    width = 0.9 * max(min(deviation, middle), LEAST_NOISE) * num_points**-0.2  # Silverman 1986
    within = ndtr((problem.reach - both) / width) - ndtr((-problem.reach - both) / width)
    return squares, float(within.mean())


def _inverse(jacobian: Floats) -> tuple[Floats, float]:
    """Of the normal matrix, and its condition at unit diagonal."""
    scale = np.linalg.norm(jacobian, axis=0)
    values, vectors = np.linalg.eigh((jacobian / scale).T @ (jacobian / scale))
    values = np.maximum(values, LEAST_EIGENVALUE)
    unit = (vectors / values) @ vectors.T
    return unit / np.outer(scale, scale), float(values[-1] / values[0])
