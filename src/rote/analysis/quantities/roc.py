"""Rank two classes by a score: AUROC and the ROC curve.

Scores are stored as counts at each distinct value, so that ties are exact and a bootstrap resample
needs no sort. Higher scores mean member.
Shapes: K distinct values, ascending; 2 classes, members first.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from rote.analysis.estimate import LEVEL
from rote.core.arrays import Floats

Counts = NDArray[np.int64]

NEAR_ENDS = 1e-9


def auroc_of(counts_2K: Counts) -> float:
    """Return the chance that a member scores above a non-member; ties count one half."""
    members_K, others_K = counts_2K
    twice_below_K = 2 * others_K.cumsum() - others_K  # whole numbers, hence exact
    return int((members_K * twice_below_K).sum()) / (2 * int(members_K.sum()) * int(others_K.sum()))


def resampled(counts_2K: Counts, generator: np.random.Generator) -> Counts:
    """Draw as many documents of each class with replacement."""
    drawn = []
    for count_K in counts_2K:
        places = np.repeat(np.arange(len(count_K)), count_K)
        chosen = places[generator.integers(len(places), size=len(places))]
        drawn.append(np.bincount(chosen, minlength=len(count_K)))
    return np.stack(drawn)


def shares_from(counts_2K: Counts) -> Floats:
    """Return the shares of both classes with each score or a higher one, [2, K]."""
    shares_2K: Floats = counts_2K[:, ::-1].cumsum(1)[:, ::-1] / counts_2K.sum(1, keepdims=True)
    return shares_2K


def auroc(member_scores: ArrayLike, nonmember_scores: ArrayLike) -> float:
    """Return the chance that a member scores above a non-member; ties count one half.

    Raises ValueError for an empty class and for scores that are not finite.
    """
    return auroc_of(_whole(member_scores, nonmember_scores))


def score_interval(value: float, *, num_members: int, num_nonmembers: int) -> tuple[float, float]:
    """Return the 95 % interval of an AUROC from its value and the numbers of documents only.

    Newcombe 2006 (Statistics in Medicine 25, 559-573), method 5: the values that the normal
    distribution of Hanley and McNeil's variance (1982) does not reject. Unlike a bootstrap, it has
    a width even if every member scores above every non-member.
    """
    reach = float(norm.ppf(0.5 + LEVEL / 2))
    inside = min(1 - NEAR_ENDS, max(NEAR_ENDS, value))  # an end value is not rejected either
    extra = (num_members + num_nonmembers) / 2 - 1

    def beyond(truth: float) -> float:
        both = 1 + extra * ((1 - truth) / (2 - truth) + truth / (1 + truth))
        variance = truth * (1 - truth) * both / (num_members * num_nonmembers)
        return abs(value - truth) - reach * float(np.sqrt(variance))

    low = float(brentq(beyond, 0.0, inside)) if value > 0 else 0.0
    high = float(brentq(beyond, inside, 1.0)) if value < 1 else 1.0
    return low, high


def roc_curve(member_scores: ArrayLike, nonmember_scores: ArrayLike) -> tuple[Floats, Floats]:
    """Return false- and true-positive rates from (0, 0) to (1, 1), a point per distinct score.

    Raises ValueError as `auroc` does.
    """
    shares_2K = shares_from(_whole(member_scores, nonmember_scores))[:, ::-1]
    true, false = np.pad(shares_2K, ((0, 0), (1, 0)))
    return false, true


def checked_scores(
    member_scores: ArrayLike, nonmember_scores: ArrayLike, *, fewest: int = 1
) -> tuple[Floats, Floats]:
    """Return both classes as arrays; raises ValueError for too few scores, or scores not finite."""
    members, others = (np.asarray(each, np.float64) for each in (member_scores, nonmember_scores))
    for name, side in (("members", members), ("non-members", others)):
        if side.ndim != 1 or len(side) < fewest:
            raise ValueError(f"membership takes {fewest} or more {name}, got shape {side.shape}")
        if not np.isfinite(side).all():
            raise ValueError(f"{(~np.isfinite(side)).sum()} scores of {name} are not finite")
    return members, others


def tallied(*pairs: tuple[Floats, Floats]) -> tuple[Floats, list[Counts]]:
    """Return the distinct scores of all, and the counts [2, K] of each pair (members, others)."""
    sides = [side for pair in pairs for side in pair]
    values_K, places = np.unique(np.concatenate(sides), return_inverse=True)
    ends = np.cumsum([len(side) for side in sides])[:-1]
    counts = [np.bincount(part, minlength=len(values_K)) for part in np.split(places, ends)]
    return values_K, list(np.stack(counts).reshape(len(pairs), 2, -1))


def _whole(member_scores: ArrayLike, nonmember_scores: ArrayLike) -> Counts:
    return tallied(checked_scores(member_scores, nonmember_scores))[1][0]
