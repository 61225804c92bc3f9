"""RMIA: how many documents of a population the target's surprise at a document exceeds.

Source: Zarifzadeh et al. 2024, arXiv 2312.03262, of classifiers: gamma and p are of one label
there, and of a token here. Shapes: S shadow models, B documents,
Z of the population (known non-members).
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from rote.scores.documents import Floats
from rote.scores.shadows import Shadows, require_log_p


def rmia(
    log_p_B: Floats,
    prior_B: Floats,
    population_log_p_Z: Floats,
    population_prior_Z: Floats,
    *,
    gamma: float,
) -> Floats:
    """Share of the population with [p(x) / prior(x)] / [p(z) / prior(z)] >= gamma.

    All in logarithms, of probabilities per token: those of whole documents would leave nothing of
    the offline prior. Raises ValueError for an empty population and for gamma < 1.
    """
    for log_p in (log_p_B, prior_B, population_log_p_Z, population_prior_Z):
        require_log_p(log_p)
    if not population_log_p_Z.size:
        raise ValueError("RMIA needs a population of known non-members, and it is empty")
    if not 1 <= gamma < math.inf:
        raise ValueError(f"gamma must be 1 or more, got {gamma!r}")
    gain_Z = np.sort(population_log_p_Z - population_prior_Z)
    gain_B = log_p_B - prior_B - math.log(gamma)
    return np.searchsorted(gain_Z, gain_B, side="right") / len(gain_Z)


def online_prior(shadows: Shadows) -> Floats:
    """ln of the mean of p over shadows with and shadows without the document, half and half.

    Raises ValueError for a document without shadows on both sides.
    """
    shadows.require(trained=1, untrained=1)
    with_B = _log_mean(shadows.log_p_SB, shadows.trained_SB)
    without_B = _log_mean(shadows.log_p_SB, ~shadows.trained_SB)
    return np.asarray(np.logaddexp(with_B, without_B) - math.log(2))


def offline_prior(shadows: Shadows, *, a: float) -> Floats:
    """ln of ((1 + a) p + 1 - a) / 2, p the mean over shadows without the document.

    a: p with a document is a p + 1 - a, p without it; from 0 to 1, the paper tunes it on shadows. 1
    leaves p as it is: the prior of a population that nothing was trained on. Raises ValueError for
    another a, and for a document without such a shadow.
    """
    if not 0 <= a <= 1:
        raise ValueError(f"a must be from 0 to 1, got {a!r}")
    shadows.require(trained=0, untrained=1)
    log_without_B = _log_mean(shadows.log_p_SB, ~shadows.trained_SB)
    with np.errstate(divide="ignore"):  # where a is 1 nothing is added
        added = np.log((1 - a) / 2)
    # In logarithms: 1 would swallow a p below 1e-16, which models give tokens they did not learn.
    return np.minimum(np.logaddexp(log_without_B + math.log((1 + a) / 2), added), 0.0)


def _log_mean(log_p_SB: Floats, side_SB: NDArray[np.bool_]) -> Floats:
    total_B = logsumexp(np.where(side_SB, log_p_SB, -np.inf), axis=0)
    return np.minimum(total_B - np.log(side_SB.sum(axis=0)), 0.0)
