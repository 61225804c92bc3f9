"""AUROC and decisions against brute force, ties, planted leaks, and too few controls."""

import numpy as np
import pytest
from scipy.stats import norm

from rote.analysis.quantities.membership import (
    MembershipQuality,
    RateAtFalsePositives,
    TooFewControls,
    controls_needed,
    membership_quality,
)
from rote.analysis.quantities.roc import auroc, roc_curve, score_interval


def drawn(num: int, shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(shift, 1, num), generator.normal(0, 1, num)


def quick(members: np.ndarray, others: np.ndarray, **keywords: int) -> MembershipQuality:
    return membership_quality(members, others, **{"num_resamples": 50, **keywords})


def over_pairs(members: np.ndarray, others: np.ndarray) -> float:
    won = sum((a > b) + (a == b) / 2 for a in members for b in others)
    return won / (len(members) * len(others))


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_auroc_is_that_of_all_pairs(decimals: int) -> None:
    members, others = (side.round(decimals) for side in drawn(40, 0.7))
    assert auroc(members, others[:25]) == pytest.approx(over_pairs(members, others[:25]))
    assert auroc(others, members) == pytest.approx(1 - auroc(members, others))
    assert [auroc([2, 3], [0, 1]), auroc([0, 1], [2, 3])] == [1.0, 0.0]
    assert [auroc([1, 1, 1], [1, 1]), auroc([1], [1])] == [0.5, 0.5]


def test_the_roc_curve_has_the_auroc_below_it() -> None:
    members, others = (side.round(1) for side in drawn(60, 0.7))
    false, true = roc_curve(members, others)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true, false) == pytest.approx(auroc(members, others))
    assert len(false) == 1 + len(set(members) | set(others))


@pytest.mark.parametrize(("value", "members", "others"), [(0.75, 10, 20), (0.5, 4, 4)])
def test_the_score_interval_of_an_auroc_ends_where_hanley_and_mcneil_reject_it(
    value: float, members: int, others: int
) -> None:
    for end in score_interval(value, num_members=members, num_nonmembers=others):
        spread = 1 + ((members + others) / 2 - 1) * ((1 - end) / (2 - end) + end / (1 + end))
        error = np.sqrt(end * (1 - end) * spread / (members * others))
        assert abs(value - end) == pytest.approx(norm.ppf(0.975) * error)


def test_the_score_interval_at_its_ends() -> None:
    low, high = score_interval(1.0, num_members=10, num_nonmembers=10)
    assert (high, 0.7 < low < 0.9) == (1.0, True)
    assert score_interval(0.0, num_members=10, num_nonmembers=10) == pytest.approx((0, 1 - low))


def test_a_planted_shift_is_found() -> None:
    """Unit normals 1.5 apart: at the middle, every rate is Phi(0.75)."""
    found = membership_quality(*drawn(4000, 1.5), num_resamples=200)
    expected = norm.cdf(0.75)
    assert found.auroc.value == pytest.approx(norm.cdf(1.5 / 2**0.5), abs=0.01)
    assert found.threshold.score == pytest.approx(0.75, abs=0.05)
    assert found.balanced_accuracy == pytest.approx(expected, abs=0.02)
    for estimate, truth in ((found.f1, expected), (found.auroc, norm.cdf(1.5 / 2**0.5))):
        low, high = estimate.interval
        assert low < truth < high and high - low < 0.05
    for at in found.at_false_positive_rates:
        assert isinstance(at, RateAtFalsePositives)
        for rate, truth in (
            (at.members_found, norm.sf(at.threshold - 1.5)),
            (at.others_found, norm.sf(at.threshold)),
        ):
            low, high = rate.interval
            assert low < truth < high


def test_decisions_are_those_of_a_loop() -> None:
    """The threshold is a median of calibration scores: find it among the documents by counting."""
    members, others = drawn(41, 1.0)
    found = quick(members, others)
    at, share = found.threshold.score, found.threshold.share_at
    generator = np.random.default_rng(0)
    parts = [(side[order[:20]], side[order[20:]]) for side in (members, others)
             for order in [generator.permutation(41)]]  # fmt: skip
    called = [(calibration > at).mean() + share * (calibration == at).mean()
              for calibration, _ in parts]  # fmt: skip
    assert sum(called) == pytest.approx(1)
    true_positives, false_positives = ((evaluation > at).sum() for _, evaluation in parts)
    assert found.f1.value == pytest.approx(
        2 * true_positives / (true_positives + false_positives + 21)
    )


def test_scores_that_know_nothing_are_worth_one_half() -> None:
    equal = quick(np.ones(40), np.ones(60))
    assert (equal.auroc.value, equal.f1.value, equal.balanced_accuracy) == (0.5, 0.5, 0.5)
    assert equal.auroc.interval[0] < 0.5 < equal.auroc.interval[1]
    assert quick(*drawn(4000, 0.0)).f1.value == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 1.0, 2.0])
def test_conventions_of_an_f1_are_what_theory_says_of_normal_scores(shift: float) -> None:
    """Of unit normals: at equal errors Phi(shift / 2), the largest by a search over thresholds."""
    found = quick(*drawn(40_000, shift))
    true, false = (norm.sf(np.linspace(-6, 6, 20_001) - mean) for mean in (shift, 0.0))
    largest = (2 * true / (true + false + 1)).max()
    assert found.f1.value == pytest.approx(norm.cdf(shift / 2), abs=0.01)
    assert found.balanced_accuracy == pytest.approx(norm.cdf(shift / 2), abs=0.01)
    assert found.largest_f1 == pytest.approx(largest, abs=0.01)
    assert shift > 0.5 or found.largest_f1 - found.f1.value > 0.07


def test_the_largest_f1_is_chosen_on_one_half_and_counted_on_the_other() -> None:
    """Members score 2, three of four others 1, the fourth 3.

    From 2 on are all members and a quarter of others: F1 = 2 / (1 + 1 / 4 + 1) = 8 / 9. Errors are
    equal where a quarter of the members is missed as well: 3 / 4.
    """
    others = np.tile([1.0, 1.0, 1.0, 3.0], 100)
    found = quick(np.full(400, 2.0), others)
    assert found.largest_f1 == pytest.approx(8 / 9, abs=0.02)
    assert found.f1.value == pytest.approx(0.75, abs=0.03)
    assert found.balanced_accuracy == pytest.approx(0.75, abs=0.03)
    assert quick(np.ones(40), np.ones(60)).largest_f1 == pytest.approx(2 / 3)


def test_classes_weigh_the_same_whatever_their_number() -> None:
    members, others = drawn(6000, 1.0)
    few = quick(members[:600], others)
    assert few.f1.value == pytest.approx(quick(members, others).f1.value, abs=0.04)
    assert few.f1.value == pytest.approx(norm.cdf(0.5), abs=0.04)


def test_perfect_and_inverted_scores() -> None:
    perfect = quick(np.arange(30, 40), np.arange(10))
    assert (perfect.f1.value, perfect.balanced_accuracy) == (1, 1)
    assert perfect.auroc.interval[1] == perfect.f1.interval[1] == 1
    assert perfect.auroc.interval[0] < 0.9 and perfect.f1.interval[0] < 0.7
    inverted = quick(np.arange(10), np.arange(30, 40))
    assert (inverted.f1.value, inverted.balanced_accuracy) == (0, 0)


def test_a_seed_gives_the_same_numbers_and_another_other_halves() -> None:
    sides = drawn(100, 1.0)
    assert quick(*sides) == quick(*sides)
    assert quick(*sides, seed=1).f1.value != quick(*sides).f1.value
    assert quick(*sides, seed=1).auroc.value == quick(*sides).auroc.value


@pytest.mark.parametrize(("rate", "needed"), [(0.01, 198), (0.001, 1998)])
def test_too_few_controls_are_refused_with_the_number_needed(rate: float, needed: int) -> None:
    assert controls_needed(rate) == needed
    for num, refused in ((needed - 1, True), (needed, False)):
        quality = quick(np.arange(50), np.arange(num))
        (at,) = (each for each in quality.at_false_positive_rates
                 if each.false_positive_rate == rate)  # fmt: skip
        assert isinstance(at, TooFewControls) == refused
        if isinstance(at, TooFewControls):
            assert at.reason == f"{num} non-members; a rate of {rate:.1%} takes {needed}"


def test_non_members_are_excluded_below_nearly_all_members() -> None:
    """99 members a half allow one of them below the threshold: half of 400 others lie there."""
    members, others = np.arange(198.0), np.where(np.arange(400) % 2, -5.0, 500.0)
    found = membership_quality(members, others).nonmembers_excluded
    assert not isinstance(found, TooFewControls)
    assert found.trials == 200 and found.value == pytest.approx(0.5, abs=0.1)
    inverted = membership_quality(-others, -members).at_false_positive_rates[0]
    assert not isinstance(inverted, TooFewControls) and inverted.members_found.trials == 200
    few = membership_quality(members[:100], others).nonmembers_excluded
    assert isinstance(few, TooFewControls)
    assert few.reason == "100 members; a rate of 1.0% takes 198"


def test_the_promised_false_positive_rate_is_kept_on_average() -> None:
    """300 splits of continuous and of tied scores."""
    for decimals in (9, 1):
        rates = []
        for seed in range(300):
            members, others = (side.round(decimals) for side in drawn(198, 0.0, seed))
            at = quick(members, others, num_resamples=1).at_false_positive_rates[0]
            assert isinstance(at, RateAtFalsePositives)
            rates.append(at.others_found.value)
        assert np.mean(rates) < 0.0125
    assert np.mean(rates) < 0.01  # ties count against the attacker


@pytest.mark.parametrize(
    ("members", "others", "message"),
    [
        ([], [1.0], "1 or more members"),
        ([1.0], [], "1 or more non-members"),
        ([1.0, np.nan], [1.0], "1 scores of members are not finite"),
        ([[1.0]], [1.0], "got shape"),
    ],
)
def test_what_cannot_be_ranked_is_refused(members: list, others: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        auroc(members, others)
    with pytest.raises(ValueError, match="members"):
        membership_quality(members, others)
    with pytest.raises(ValueError, match="4 or more members"):  # two in each half
        membership_quality([1, 2, 3], [1, 2, 3, 4])
