"""Judge a membership score: choose a threshold on one half, count decisions on the other.

Higher scores mean member.
Shapes: K distinct scores, ascending; 2 classes, members first.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.analysis.estimate import Estimate, Rate
from rote.analysis.estimators import bootstrap, clopper_pearson, rate
from rote.analysis.quantities import roc
from rote.analysis.quantities.roc import Counts
from rote.core.arrays import Floats

FALSE_POSITIVE_RATES = (0.01, 0.001)
LOSS_TAIL_RATE = 0.01  # of members that are missed where non-members are excluded
FEWEST = 4  # documents of each class: two in each half


@dataclass(frozen=True, kw_only=True)
class RateAtFalsePositives:
    """Members found at a threshold that few non-members of the calibration half exceed."""

    false_positive_rate: float  # guaranteed: a new non-member passes with at most this chance
    threshold: float  # scores above it count as members
    members_found: Rate
    others_found: Rate  # the actual false positives on the evaluation half


@dataclass(frozen=True, kw_only=True)
class TooFewControls:
    """There are too few non-members to guarantee this false-positive rate."""

    false_positive_rate: float
    reason: str
    controls_needed: int  # both halves together


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A threshold: scores above it count as members, and this share of scores equal to it."""

    score: float
    share_at: float

    def rates(self, values_K: Floats, counts_2K: Counts) -> tuple[float, float]:
        """Return the shares of members and of others that are called members."""
        first, above = np.searchsorted(values_K, [self.score, np.nextafter(self.score, np.inf)])
        at_2, above_2 = counts_2K[:, first:above].sum(1), counts_2K[:, above:].sum(1)
        true, false = (above_2 + self.share_at * at_2) / counts_2K.sum(1)
        return float(true), float(false)


@dataclass(frozen=True, kw_only=True)
class MembershipQuality:
    """The quality of one score; both classes weigh the same, whatever their size."""

    num_members: int
    num_nonmembers: int
    auroc: Estimate  # over all documents
    threshold: Threshold  # chosen on the calibration half; the rest is of the other half
    f1: Estimate  # at equal errors
    precision: float
    recall: float
    balanced_accuracy: float
    largest_f1: float  # at the threshold of greatest F1 on the calibration half; 2/3 by chance
    at_false_positive_rates: tuple[RateAtFalsePositives | TooFewControls, ...]
    nonmembers_excluded: Rate | TooFewControls  # at a threshold that few members lie below


def membership_quality(
    member_scores: ArrayLike,
    nonmember_scores: ArrayLike,
    *,
    seed: int = 0,
    num_resamples: int = 1000,
) -> MembershipQuality:
    """Judge one score. Each class is halved alike for all scores of the same documents.

    The threshold misses as large a share of members as it accuses of non-members. Then precision,
    recall, F1 and accuracy agree on the calibration half, and are 1/2 for a score without
    information. A threshold that maximises F1 instead calls everybody a member for such a score,
    and reaches 2/3, so no law of F1 could fall to 1/2; ``largest_f1`` is that F1, because other
    work may report it. On the same scores the two differ by 0.1 and more.

    Intervals resample both halves and choose the threshold anew. With few documents or a nearly
    perfect score such a bootstrap is too narrow (it held an AUROC of 0.99 of 10 documents a side in
    36 % of draws). Intervals therefore also span those of closed form: `score_interval` for AUROC,
    and for F1 a combination of Clopper and Pearson's intervals of both rates.

    Raises ValueError for fewer than FEWEST documents of a class, and for scores that are not
    finite.
    """
    values_K, (calibration, evaluation) = _halves(member_scores, nonmember_scores, seed)
    threshold = _equal_error_threshold(values_K, calibration)
    true, false = threshold.rates(values_K, evaluation)
    aurocs, f1s = _resampled(values_K, calibration, evaluation, num_resamples, seed)
    whole = calibration + evaluation
    num_members, num_nonmembers = whole.sum(1).tolist()
    numbers = {"num_members": num_members, "num_nonmembers": num_nonmembers}
    closed = roc.score_interval(roc.auroc_of(whole), **numbers)
    closed_f1 = _f1_interval(true, false, evaluation)
    return MembershipQuality(
        **numbers,
        auroc=bootstrap(roc.auroc_of(whole), aurocs, n=sum(numbers.values()), at_least=closed),
        threshold=threshold,
        f1=bootstrap(_f1(true, false), f1s, n=sum(numbers.values()), at_least=closed_f1),
        precision=true / (true + false) if true + false > 0 else 0.0,
        recall=true,
        balanced_accuracy=(true + 1 - false) / 2,
        largest_f1=_largest_f1(values_K, calibration, evaluation),
        at_false_positive_rates=tuple(
            _at_false_positive_rate(values_K, calibration, evaluation, promised)
            for promised in FALSE_POSITIVE_RATES
        ),
        nonmembers_excluded=_excluded(values_K, calibration, evaluation),
    )


def controls_needed(false_positive_rate: float) -> int:
    """Return the non-members needed to guarantee this rate, both halves together.

    A new one exceeds the highest of n controls with chance 1 / (n + 1), as ranks of exchangeable
    draws do: this takes 1 / rate - 1 in the calibration half, and as many in the other.
    """
    return 2 * (math.ceil(1 / false_positive_rate - 1e-9) - 1)


def halved(*numbers: int, seed: int) -> list[list[NDArray[np.int64]]]:
    """Split each class, given its number of documents, into calibration and evaluation indices.

    An odd document goes to evaluation.
    """
    generator = np.random.default_rng(seed)
    return [np.split(generator.permutation(number), [number // 2]) for number in numbers]


def _halves(
    member_scores: ArrayLike, nonmember_scores: ArrayLike, seed: int
) -> tuple[Floats, list[Counts]]:
    members, others = roc.checked_scores(member_scores, nonmember_scores, fewest=FEWEST)
    (first, second), (third, fourth) = halved(len(members), len(others), seed=seed)
    return roc.tallied((members[first], others[third]), (members[second], others[fourth]))


def _f1(true: float, false: float) -> float:
    """Return F1 from the rates, with equal class weights: 2 TP / (2 TP + FP + FN)."""
    return 2 * true / (true + false + 1)


def _largest_f1(values_K: Floats, calibration: Counts, evaluation: Counts) -> float:
    """Return F1 at the threshold that has the greatest F1 on the calibration half."""
    true_K, false_K = roc.shares_from(calibration)
    best = int(np.argmax(2 * true_K / (true_K + false_K + 1)))
    threshold = Threshold(score=float(values_K[best]), share_at=1.0)
    return _f1(*threshold.rates(values_K, evaluation))


def _f1_interval(true: float, false: float, evaluation: Counts) -> tuple[float, float]:
    """Return the F1 interval from exact intervals of the two rates, at a fixed threshold.

    F1 rises with one rate and falls with the other: their reaches add as squares (Zou and Donner
    2008). If documents that score exactly the threshold are split, counts are not whole numbers.
    """
    (true_low, true_high), (false_low, false_high) = (
        clopper_pearson(rate * number, number)
        for rate, number in zip((true, false), evaluation.sum(1), strict=True)
    )
    value = _f1(true, false)
    below = math.hypot(value - _f1(true_low, false), value - _f1(true, false_high))
    above = math.hypot(_f1(true_high, false) - value, _f1(true, false_low) - value)
    return max(0.0, value - below), min(1.0, value + above)


def _equal_error_threshold(values_K: Floats, counts_2K: Counts) -> Threshold:
    """Return the threshold at which the called shares of the two classes add up to 1."""
    weight_K = (counts_2K / counts_2K.sum(1, keepdims=True)).sum(0)
    (seen,) = np.nonzero(weight_K[::-1])  # from the highest score down, those that occur
    score, weight = values_K[::-1][seen], weight_K[::-1][seen]
    reached = weight.cumsum()
    at = int(np.searchsorted(reached, 1 - 1e-12))
    share_at = (1 - (reached[at] - weight[at])) / weight[at]
    if share_at > 1 - 1e-9:  # no ties to split: halfway to the next score
        return Threshold(score=float(score[at] / 2 + score[at + 1] / 2), share_at=0.0)
    return Threshold(score=float(score[at]), share_at=float(share_at))


def _at_false_positive_rate(
    values_K: Floats, calibration: Counts, evaluation: Counts, promised: float
) -> RateAtFalsePositives | TooFewControls:
    """Use the j-th highest of n controls, with j / (n + 1) <= rate, as the threshold."""
    others_K = calibration[1]
    num_controls = int(others_K.sum())
    rank = math.floor(promised * (num_controls + 1) + 1e-9)
    if rank < 1:
        in_all = num_controls + int(evaluation[1].sum())
        return TooFewControls(
            false_positive_rate=promised,
            reason=f"{in_all} non-members; a rate of {promised:.1%} takes "
            f"{controls_needed(promised)}",
            controls_needed=controls_needed(promised),
        )
    from_top = int(np.searchsorted(others_K[::-1].cumsum(), rank))
    place = len(values_K) - 1 - from_top
    members, others = (
        rate(int(count_K[place + 1 :].sum()), int(count_K.sum())) for count_K in evaluation
    )
    return RateAtFalsePositives(
        false_positive_rate=promised,
        threshold=float(values_K[place]),
        members_found=members,
        others_found=others,
    )


def _excluded(values_K: Floats, calibration: Counts, evaluation: Counts) -> Rate | TooFewControls:
    """Return the non-members below a threshold that at most 1 % of members lie below.

    Of the loss it estimates, without any reference, how vulnerable a model is to attacks that have
    references: the true-negative rate at few false negatives (Dodd et al. 2025, arXiv 2510.19773,
    as the abstract defines it). It is the other end of the ROC curve, with both classes exchanged.
    """
    found = _at_false_positive_rate(
        -values_K[::-1], calibration[::-1, ::-1], evaluation[::-1, ::-1], LOSS_TAIL_RATE
    )
    if isinstance(found, RateAtFalsePositives):
        return found.members_found
    return replace(found, reason=found.reason.replace("non-members", "members"))


def _resampled(
    values_K: Floats, calibration: Counts, evaluation: Counts, num_resamples: int, seed: int
) -> tuple[list[float], list[float]]:
    """Return AUROC and F1 of each resample."""
    generator = np.random.default_rng(seed)
    aurocs, f1s = [], []
    for _ in range(num_resamples):
        first, second = (roc.resampled(each, generator) for each in (calibration, evaluation))
        threshold = _equal_error_threshold(values_K, first)
        aurocs.append(roc.auroc_of(first + second))
        f1s.append(_f1(*threshold.rates(values_K, second)))
    return aurocs, f1s
