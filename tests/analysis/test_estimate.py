"""Estimates against closed forms and other implementations, and how they are written."""

import numpy as np
import pytest
from scipy.stats import beta, spearmanr, ttest_rel

from rote.analysis.estimate import Estimate, span
from rote.analysis.estimators import (
    MOST_DRAWN,
    AnswersOfSplits,
    bootstrap,
    bounded_mean,
    difference,
    geometric_mean,
    mean_of_estimates,
    mean_over_seeds,
    paired_difference,
    pooled,
    rank_correlation,
    rate,
    share,
    share_difference,
)


def answers(successes: dict[tuple[int, int], int], trials: int) -> list[AnswersOfSplits]:
    """By (split, seed)."""
    return [
        AnswersOfSplits(split=split, seed=seed, rate=rate(right, trials))
        for (split, seed), right in successes.items()
    ]


def known(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=5, method="given")


def test_an_estimate_is_written_with_its_interval_or_why_it_has_none() -> None:
    both = known(0.123, 0.1, 0.2)
    assert both.words("{:.2f}") == "0.12 (0.10 to 0.20)"
    told = both.words("{:+.1f}", label="95 % interval", after=", 5 runs")
    assert told == "+0.1 (95 % interval +0.1 to +0.2, 5 runs)"
    alone = mean_over_seeds([7.0])
    assert alone.words("{:.0f}", label="95 % interval") == "7 (one run)"
    assert (span(None, "{:.2f}"), alone.span("{:.2f}")) == ("", "one run")


def test_a_sign_is_that_of_the_whole_interval() -> None:
    assert [known(*ends).sign for ends in ((2, 1, 3), (0, -1, 1), (-2, -3, -1))] == [1, 0, -1]
    assert [known(2, 1, 3).excludes(number) for number in (0.9, 1, 3, 3.1)] == [
        True, False, False, True,
    ]  # fmt: skip
    alone = mean_over_seeds([7.0])
    assert (alone.interval, alone.ends, alone.sign, alone.excludes(0)) == (None, (7, 7), 0, False)


def test_means_over_seeds() -> None:
    found = mean_over_seeds([1.0, 2.0, 3.0])
    assert (found.value, found.n, found.sign) == (2, 3, 0)
    assert found.ends == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)  # t: 4.3027 / 3^.5
    equal = mean_over_seeds([2.0, 2.0, 2.0])
    assert (equal.interval, equal.why_none) == (None, "equal in 3 runs, no interval")
    with pytest.raises(ValueError, match="no run to take a mean of"):
        mean_over_seeds([])


def test_a_geometric_mean_is_the_mean_of_logarithms() -> None:
    found = geometric_mean([1.0, 10.0, 100.0])
    reach = np.exp(2.4841 * np.log(10))
    assert found.value == pytest.approx(10)
    assert found.ends == pytest.approx((10 / reach, 10 * reach), rel=1e-3)
    assert geometric_mean([4.0]).interval is None


def test_a_mean_of_estimates_that_err_alike_is_no_surer_than_one() -> None:
    both = mean_of_estimates([known(v, v - 0.1, v + 0.2) for v in (0.5, 0.7)])
    assert both.value == pytest.approx(0.6)
    assert both.interval == pytest.approx((0.5, 0.8))
    bare = Estimate.of(0.5, None, n=1, method="", why_none="one run")
    some = mean_of_estimates([both, bare])
    assert (some.interval, some.why_none, some.exceeds(0.0)) == (None, "one run", False)
    assert both.exceeds(0.49) and not both.exceeds(0.5)
    with pytest.raises(ValueError, match="one estimate or more"):
        mean_of_estimates([])


def test_a_bootstrap_reaches_as_far_as_it_has_to() -> None:
    draws = np.arange(1001.0)
    assert bootstrap(500.0, draws, n=7).interval == pytest.approx((25, 975))
    wider = bootstrap(500.0, draws, n=7, at_least=(30, 980))
    assert wider.interval == pytest.approx((25, 980))


def test_clopper_pearson_known_values() -> None:
    assert rate(0, 10).interval == pytest.approx((0, 1 - 0.025**0.1))
    assert rate(10, 10).interval == pytest.approx((0.025**0.1, 1))
    assert rate(5, 10).interval == pytest.approx((0.1871, 0.8129), abs=1e-4)
    ends = beta.ppf(0.025, 3, 18), beta.ppf(0.975, 4, 17)
    assert rate(3, 20).interval == pytest.approx(ends)
    nothing = rate(0, 0)
    assert np.isnan(nothing.value) and nothing.interval == (0, 1)


def test_pooled_counts_add_up_and_things_that_several_models_were_asked_count_once() -> None:
    assert pooled([rate(1, 2), rate(2, 8)]) == rate(3, 10)
    asked = pooled([rate(1, 10), rate(3, 10)], same_things=True)
    assert (asked.value, asked.n) == (0.2, 10)
    assert asked.interval == pytest.approx(rate(2, 10).interval)


@pytest.mark.parametrize("num_runs", [1, 3])
def test_runs_that_agree_have_the_interval_of_clopper_and_pearson(num_runs: int) -> None:
    found = share(answers({(0, seed): 0 for seed in range(num_runs)}, 4))
    assert found.value == 0
    high = 1 - 0.025 ** (1 / (4 * num_runs))  # (1 - p)^4 = 2.5 % for one run
    assert found.interval == pytest.approx((0, high))
    assert (found.num_splits, found.n) == (1, num_runs)


def test_splits_count_alike_however_many_seeds_they_have() -> None:
    found = share(answers({(0, 0): 10, (1, 0): 0, (1, 1): 0, (1, 2): 5}, 10))
    assert found.value == pytest.approx((1 + 0.5 / 3) / 2)
    with pytest.raises(ValueError, match="no run that answered"):
        share([])


def test_the_interval_is_students_over_means_of_splits() -> None:
    """Splits of 0.2, 0.4 and 0.6, the middle one by two seeds: 0.4 +- 4.3027 * 0.2 / sqrt(3)."""
    trials = 1_000_000
    right = {(0, 0): 200_000, (1, 0): 300_000, (1, 1): 500_000, (2, 0): 600_000}
    found = share(answers(right, trials))
    assert found.value == pytest.approx(0.4)
    assert found.interval == pytest.approx((0.0, 0.4 + 4.3027 * 0.2 / 3**0.5), abs=1e-4)
    seeds = share(answers({(0, seed): 100_000 * (3 + seed) for seed in range(3)}, trials))
    assert seeds.interval == pytest.approx((0.4 - 0.24841, 0.4 + 0.24841), abs=1e-4)


def test_a_difference_of_shares_is_of_the_same_splits_and_seeds() -> None:
    larger = answers({(0, 0): 8, (1, 0): 6, (2, 0): 0}, 10)
    smaller = answers({(0, 0): 3, (1, 0): 1, (1, 1): 10}, 10)
    found = share_difference(larger, smaller)
    assert found.value == pytest.approx(0.5)  # 8 - 3 and 6 - 1; the rest has no partner
    assert (found.num_splits, found.n) == (2, 2)
    assert 0 < found.ends[0] < 0.5 < found.ends[1] < 1
    newcombe = difference(rate(14, 20), rate(4, 20))
    assert found.interval == newcombe.interval  # equal differences have no spread
    assert share_difference(larger, answers({(3, 0): 1}, 10)) is None


def test_a_difference_of_rates_is_newcombes() -> None:
    """Newcombe 1998, Statistics in Medicine 17, squares and adds reaches of the two rates."""
    one, other = rate(56, 70), rate(48, 80)
    below = np.hypot(one.value - one.ends[0], other.ends[1] - other.value)
    found = difference(one, other)
    assert found.value == pytest.approx(0.2)
    assert found.ends[0] == pytest.approx(0.2 - below)
    assert difference(other, one).ends == pytest.approx((-found.ends[1], -found.ends[0]))


def test_pairs_are_compared_by_students_t() -> None:
    random = np.random.default_rng(0)
    one, other = random.normal(1, 1, 30), random.normal(0, 1, 30)
    told = ttest_rel(one, other).confidence_interval(0.95)
    assert paired_difference(one - other).interval == pytest.approx((told.low, told.high))
    assert paired_difference((one - other)[:8], fewest=8).interval is not None
    few = paired_difference((one - other)[:7], fewest=8)
    assert (few.interval, few.why_none) == (None, "7 pairs, fewer than 8")
    assert paired_difference([1.0]).why_none == "one pair, no interval"
    alike = paired_difference(one - (one + 1))
    assert (alike.interval, alike.why_none) == (None, "all pairs alike, no interval")


def test_a_rank_correlation_is_scipys_and_its_interval_covers() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        one = random.normal(size=40)
        other = one + random.normal(size=40)
        found = rank_correlation(one, other)
        assert found.value == pytest.approx(spearmanr(one, other).statistic)
        # Of a bivariate normal with correlation 1 / sqrt(2): 6 / pi asin(rho / 2).
        truth = 6 / np.pi * np.arcsin(1 / np.sqrt(8))
        covered += not found.excludes(truth)
    assert 0.9 <= covered / 200 <= 0.99


def test_nothing_is_said_of_few_or_equal_values() -> None:
    assert rank_correlation([1, 2, 3, 4], [1, 2, 3, 4]) is None
    assert rank_correlation([1, 2, 3, 4, 5], [7, 7, 7, 7, 7]) is None
    perfect = rank_correlation([1, 2, 3, 4, 5], [10, 8, 6, 4, 2])
    assert perfect is not None and perfect.value == pytest.approx(-1)
    # Half a swap of neighbours takes 6 / (5 * 24) away from rho = -1.
    end = np.tanh(np.arctanh(-0.95) + 1.959964 * np.sqrt(1.5 / 2))
    assert perfect.interval == pytest.approx((-1, end), abs=0.002)
    with pytest.raises(ValueError, match="two values of each thing"):
        rank_correlation([1, 2], [1, 2, 3])


@pytest.mark.parametrize(("ones", "number"), [(0, 3), (3, 3), (2, 8), (30, 60), (9, 299)])
def test_of_zeros_and_ones_a_bounded_mean_is_clopper_and_pearsons(ones: int, number: int) -> None:
    values = [1.0] * ones + [0.0] * (number - ones)
    low, high = rate(ones, number).ends
    found = bounded_mean(values, least=0, most=1)
    assert found.value == pytest.approx(ones / number)
    assert found.interval == pytest.approx((low, high), abs=0.02 * (high - low))


def test_a_bounded_mean_moves_with_its_unit_and_turns_with_its_sign() -> None:
    values = np.array([1.0, 2.0, 2.5, 7.0])
    low, high = bounded_mean(values, least=0, most=10).ends
    assert 0 < low < values.mean() < high < 10
    moved = bounded_mean(3 * values + 1, least=1, most=31)
    assert moved.interval == pytest.approx((3 * low + 1, 3 * high + 1))
    turned = bounded_mean(-values, least=-10, most=0)
    assert turned.interval == pytest.approx((-high, -low), abs=0.15)


def test_of_many_values_a_bounded_mean_is_the_same_without_drawing() -> None:
    values = np.random.default_rng(0).exponential(1.4, MOST_DRAWN - 1).clip(max=10)
    drawn = bounded_mean(values, least=0, most=10)
    one_more = bounded_mean(np.append(values, values.mean()), least=0, most=10)
    assert one_more.interval == pytest.approx(drawn.interval, abs=0.03)


@pytest.mark.parametrize(
    ("values", "least", "most", "message"),
    [
        ([], 0, 1, "got 0 values"),
        ([0.5], 1, 1, "takes a value and a range"),
        ([0.5, 1.1], 0, 1, "values from 0.5 to 1.1 pass 0 to 1"),
        ([float("nan")], 0, 1, "pass 0 to 1"),
    ],
)
def test_what_has_no_bounded_mean_is_refused(
    values: list[float], least: float, most: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        bounded_mean(values, least=least, most=most)
