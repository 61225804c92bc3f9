"""Rank two classes by a score: AUROC and the ROC curve.

Scores are stored as counts at each distinct value, so that ties are exact and a bootstrap resample
needs no sort. Higher scores mean member.
Shapes: K distinct values, ascending.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from rote.analysis.estimate import LEVEL

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

NEAR_ENDS = 1e-9


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Number of documents of each class at each distinct score."""

    members_K: Counts
    others_K: Counts

    @property
    def auroc(self) -> float:
        """Chance that a member scores above a non-member; ties count one half."""
        twice_below_K = 2 * self.others_K.cumsum() - self.others_K  # whole numbers, hence exact
        pairs = int(self.members_K.sum()) * int(self.others_K.sum())
        return int((self.members_K * twice_below_K).sum()) / (2 * pairs)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            members_K=self.members_K + other.members_K, others_K=self.others_K + other.others_K
        )

    def resampled(self, generator: np.random.Generator) -> "Tally":
        """Draw as many documents of each class with replacement."""
        return Tally(
            members_K=_redrawn(self.members_K, generator),
            others_K=_redrawn(self.others_K, generator),
        )


def auroc(member_scores: ArrayLike, nonmember_scores: ArrayLike) -> float:
    """Return the chance that a member scores above a non-member; ties count one half.

    Raises ValueError for an empty class and for scores that are not finite.
    """
    return _whole(member_scores, nonmember_scores).auroc


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
    tally = _whole(member_scores, nonmember_scores)
    false, true = (
        np.concatenate([[0.0], count_K[::-1].cumsum() / count_K.sum()])
        for count_K in (tally.others_K, tally.members_K)
    )
    return false, true


def checked_scores(name: str, scores: ArrayLike, *, fewest: int) -> Floats:
    """Return one class as an array; raises ValueError for too few scores, or scores not finite."""
    side = np.asarray(scores, dtype=np.float64)
    if side.ndim != 1 or len(side) < fewest:
        raise ValueError(f"membership takes {fewest} or more {name}, got shape {side.shape}")
    if not np.isfinite(side).all():
        raise ValueError(f"{(~np.isfinite(side)).sum()} scores of {name} are not finite")
    return side


def tallied(*tallies: tuple[Floats, Floats]) -> tuple[Floats, list[Tally]]:
    """Return the distinct scores of all, and the counts of each pair (members, others)."""
    sides = [side for pair in tallies for side in pair]
    values_K, places = np.unique(np.concatenate(sides), return_inverse=True)
    ends = np.cumsum([len(side) for side in sides])[:-1]
    counts = [np.bincount(part, minlength=len(values_K)) for part in np.split(places, ends)]
    pairs = zip(counts[::2], counts[1::2], strict=True)
    return values_K, [Tally(members_K=members, others_K=others) for members, others in pairs]


def _whole(member_scores: ArrayLike, nonmember_scores: ArrayLike) -> Tally:
    members = checked_scores("members", member_scores, fewest=1)
    others = checked_scores("non-members", nonmember_scores, fewest=1)
    return tallied((members, others))[1][0]


def _redrawn(count_K: Counts, generator: np.random.Generator) -> Counts:
    places = np.repeat(np.arange(len(count_K)), count_K)
    total = len(places)
    return np.bincount(places[generator.integers(total, size=total)], minlength=len(count_K))
