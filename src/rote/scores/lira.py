"""LiRA: is a document's confidence that of models trained with it, or without it?

Source: Carlini et al. 2022, arXiv 2112.03570, of classifiers: p is that of the true class. Of a
document it is ours to choose; callers take the geometric mean over tokens, exp of mean ln p.
Shapes: S shadow models, B documents.
"""

import numpy as np
from numpy.typing import NDArray

from rote.scores.documents import LEAST_SPREAD_NATS, Floats
from rote.scores.shadows import Shadows, logit_confidence, require_log_p


def lira_online(log_p_B: Floats, shadows: Shadows, *, fixed_variance: bool) -> Floats:
    """Log-ratio of the two normal densities of the target's confidence, nats.

    ``fixed_variance`` pools one variance for each side over all documents: better with few shadows.
    Raises ValueError for a document without shadows on both sides, two each where every document
    has a variance of its own.
    """
    require_log_p(log_p_B)
    least = 1 if fixed_variance else 2
    shadows.require(trained=least, untrained=least)
    confidence_SB, confidence_B = logit_confidence(shadows.log_p_SB), logit_confidence(log_p_B)
    with_B = _log_density(confidence_B, confidence_SB, shadows.trained_SB, fixed_variance)
    without_B = _log_density(confidence_B, confidence_SB, ~shadows.trained_SB, fixed_variance)
    return with_B - without_B


def lira_offline(log_p_B: Floats, shadows: Shadows, *, fixed_variance: bool) -> Floats:
    """Standard deviations above shadows that were not trained on the document.

    The paper's 1 - Pr[Z > confidence] is the normal distribution function of it; that one is 1 for
    everything beyond 8, which would tie. Raises ValueError as `lira_online` does, for that side.
    """
    require_log_p(log_p_B)
    shadows.require(trained=0, untrained=1 if fixed_variance else 2)
    confidence_SB = logit_confidence(shadows.log_p_SB)
    mean_B, spread_B = _normal(confidence_SB, ~shadows.trained_SB, fixed_variance)
    return (logit_confidence(log_p_B) - mean_B) / spread_B


def _log_density(
    confidence_B: Floats, confidence_SB: Floats, side_SB: NDArray[np.bool_], fixed_variance: bool
) -> Floats:
    """Of a normal distribution, without the constant that both sides share."""
    mean_B, spread_B = _normal(confidence_SB, side_SB, fixed_variance)
    return np.asarray(-0.5 * ((confidence_B - mean_B) / spread_B) ** 2 - np.log(spread_B))


def _normal(
    confidence_SB: Floats, side_SB: NDArray[np.bool_], fixed_variance: bool
) -> tuple[Floats, Floats]:
    """Mean and standard deviation of one side for each document; one mean is spent on each."""
    count_B = side_SB.sum(axis=0)
    mean_B = np.where(side_SB, confidence_SB, 0.0).sum(axis=0) / count_B
    squares_B = np.where(side_SB, (confidence_SB - mean_B) ** 2, 0.0).sum(axis=0)
    if fixed_variance:
        degrees = max(1, int((count_B - 1).sum()))  # one shadow each: distances alone rank
        variance_B = np.full_like(mean_B, squares_B.sum() / degrees)
    else:
        variance_B = squares_B / (count_B - 1)
    return mean_B, np.maximum(np.sqrt(variance_B), LEAST_SPREAD_NATS)
