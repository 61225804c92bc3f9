"""Compute the scores LiRA and RMIA, which compare a target model with shadow models.

LiRA: is the target's confidence like that of shadows trained with the document, or without it?
Source: Carlini et al. 2022, arXiv 2112.03570, for classifiers, where p belongs to the true class.
For a document p is a choice; callers take the geometric mean over tokens, exp of mean ln p.

RMIA: for how many documents of a population the target gains less than for this document.
Source: Zarifzadeh et al. 2024, arXiv 2312.03262, for classifiers: gamma and p belong to one label
there, and to a token here.

Shapes: S shadow models, B documents, Z documents of the population (known non-members).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from rote.scores.documents import LEAST_NATS, LEAST_SPREAD_NATS, Floats


@dataclass(frozen=True, kw_only=True)
class Shadows:
    """ln p of each document under each shadow, and whether that shadow was trained on it.

    Any normalisation works (per token, whole document) if the target uses the same. Raises
    ValueError for shapes that differ, and for values that are no logarithm of a probability.
    """

    log_p_SB: Floats
    trained_SB: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Refuse values for which a score would be undefined."""
        if self.log_p_SB.shape != self.trained_SB.shape or self.log_p_SB.ndim != 2:
            shapes = f"{self.log_p_SB.shape} and {self.trained_SB.shape}"
            raise ValueError(f"shadows need [shadows, documents] twice, got {shapes}")
        require_log_p(self.log_p_SB)

    def require(self, *, trained: int, untrained: int) -> None:
        """Raises ValueError for a document with fewer shadows trained with it, or without it."""
        for side_SB, least, word in (
            (self.trained_SB, trained, "with"),
            (~self.trained_SB, untrained, "without"),
        ):
            count_B = side_SB.sum(axis=0)
            if (count_B < least).any():
                document = int(count_B.argmin())
                raise ValueError(
                    f"document {document}: shadows trained {word} it: {count_B[document]}, "
                    f"and this score takes {least}"
                )


def require_log_p(log_p: Floats) -> None:
    """Raises ValueError unless all values are finite and at most 0."""
    if not (np.isfinite(log_p).all() and (log_p <= 0).all()):
        raise ValueError("logarithms of probabilities must be finite and at most 0")


def logit_confidence(log_p: Floats) -> Floats:
    """Return ln(p / (1 - p)), about normal across shadow models (Carlini et al. 2022)."""
    certain = np.minimum(log_p, -LEAST_NATS)
    return np.asarray(certain - np.log(-np.expm1(certain)))


def lira_online(log_p_B: Floats, shadows: Shadows, *, fixed_variance: bool) -> Floats:
    """Return the log-ratio of the two normal densities of the target's confidence, in nats.

    ``fixed_variance`` pools one variance per side (trained, untrained) over all documents, which is
    better with few shadows. Raises ValueError for a document without shadows on both sides; without
    ``fixed_variance`` two are needed on each.
    """
    require_log_p(log_p_B)
    least = 1 if fixed_variance else 2
    shadows.require(trained=least, untrained=least)
    confidence_SB, confidence_B = logit_confidence(shadows.log_p_SB), logit_confidence(log_p_B)
    with_B = _log_density(confidence_B, confidence_SB, shadows.trained_SB, fixed_variance)
    without_B = _log_density(confidence_B, confidence_SB, ~shadows.trained_SB, fixed_variance)
    return with_B - without_B


def lira_offline(log_p_B: Floats, shadows: Shadows, *, fixed_variance: bool) -> Floats:
    """Return how many standard deviations the target is above shadows not trained on the document.

    The paper's 1 - Pr[Z > confidence] is the normal distribution function of this number; it is 1
    for everything beyond 8, which would cause ties. Raises ValueError as `lira_online` does, for
    shadows that were not trained on the document.
    """
    require_log_p(log_p_B)
    shadows.require(trained=0, untrained=1 if fixed_variance else 2)
    confidence_SB = logit_confidence(shadows.log_p_SB)
    mean_B, spread_B = _normal(confidence_SB, ~shadows.trained_SB, fixed_variance)
    return (logit_confidence(log_p_B) - mean_B) / spread_B


def _log_density(
    confidence_B: Floats, confidence_SB: Floats, side_SB: NDArray[np.bool_], fixed_variance: bool
) -> Floats:
    """Return the log-density of a normal, without the constant that both sides share."""
    mean_B, spread_B = _normal(confidence_SB, side_SB, fixed_variance)
    return np.asarray(-0.5 * ((confidence_B - mean_B) / spread_B) ** 2 - np.log(spread_B))


def _normal(
    confidence_SB: Floats, side_SB: NDArray[np.bool_], fixed_variance: bool
) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of one side, [B]; each mean costs a degree of freedom."""
    count_B = side_SB.sum(axis=0)
    mean_B = np.where(side_SB, confidence_SB, 0.0).sum(axis=0) / count_B
    squares_B = np.where(side_SB, (confidence_SB - mean_B) ** 2, 0.0).sum(axis=0)
    if fixed_variance:
        degrees = max(1, int((count_B - 1).sum()))  # with one shadow each, the distance alone ranks
        variance_B = np.full_like(mean_B, squares_B.sum() / degrees)
    else:
        variance_B = squares_B / (count_B - 1)
    return mean_B, np.maximum(np.sqrt(variance_B), LEAST_SPREAD_NATS)


def rmia(
    log_p_B: Floats,
    prior_B: Floats,
    population_log_p_Z: Floats,
    population_prior_Z: Floats,
    *,
    gamma: float,
) -> Floats:
    """Return the share of the population with [p(x) / prior(x)] / [p(z) / prior(z)] >= gamma.

    All arguments are logarithms of probabilities per token: with those of whole documents the
    offline prior would vanish. Raises ValueError for an empty population and for gamma < 1.
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
    """Return ln of the mean of two mean p: over shadows with the document, and without it.

    Raises ValueError for a document without shadows on both sides.
    """
    shadows.require(trained=1, untrained=1)
    with_B = _log_mean(shadows.log_p_SB, shadows.trained_SB)
    without_B = _log_mean(shadows.log_p_SB, ~shadows.trained_SB)
    return np.asarray(np.logaddexp(with_B, without_B) - math.log(2))


def offline_prior(shadows: Shadows, *, a: float) -> Floats:
    """Return ln of ((1 + a) p + 1 - a) / 2, where p is the mean over shadows without the document.

    p with a document is modelled as a p + 1 - a, where p is that without it. a lies from 0 to 1;
    the paper tunes it on shadows. a = 1 leaves p unchanged: the prior of a population that no model
    was trained on. Raises ValueError for another a, and for a document without such a shadow.
    """
    if not 0 <= a <= 1:
        raise ValueError(f"a must be from 0 to 1, got {a!r}")
    shadows.require(trained=0, untrained=1)
    log_without_B = _log_mean(shadows.log_p_SB, ~shadows.trained_SB)
    with np.errstate(divide="ignore"):  # a = 1 adds nothing
        added = np.log((1 - a) / 2)
    # In logarithms, because 1 would swallow a p below 1e-16, as models give to tokens not learned.
    return np.minimum(np.logaddexp(log_without_B + math.log((1 + a) / 2), added), 0.0)


def _log_mean(log_p_SB: Floats, side_SB: NDArray[np.bool_]) -> Floats:
    total_B = logsumexp(np.where(side_SB, log_p_SB, -np.inf), axis=0)
    return np.minimum(total_B - np.log(side_SB.sum(axis=0)), 0.0)
