"""Means, differences and rank correlations against closed forms and other implementations."""

import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_rel

from rote.analysis.quantities.contrast import (
    difference,
    mean_estimate,
    paired_difference,
    rank_correlation,
)
from rote.analysis.quantities.extraction import Extraction
from rote.analysis.quantities.membership import Estimate
from rote.analysis.quantities.rate import Rate


def test_a_mean_of_estimates_that_err_alike_is_no_surer_than_one() -> None:
    one, other = (Estimate(value=v, interval=(v - 0.1, v + 0.2)) for v in (0.5, 0.7))
    both = mean_estimate([one, other])
    assert both.value == pytest.approx(0.6)
    assert both.interval == pytest.approx((0.5, 0.8))
    with pytest.raises(ValueError, match="one estimate or more"):
        mean_estimate([])


def test_a_difference_of_rates_is_newcombes() -> None:
    train, heldout = Rate(successes=30, trials=40), Rate(successes=5, trials=50)
    both = Extraction(prefix_tokens=4, train=train, heldout=heldout)
    apart = difference(*(Estimate(value=r.value, interval=r.interval) for r in (train, heldout)))
    assert apart.value == pytest.approx(both.excess)
    assert apart.interval == pytest.approx(both.excess_interval)


def test_pairs_are_compared_by_students_t() -> None:
    random = np.random.default_rng(0)
    one, other = random.normal(1, 1, 30), random.normal(0, 1, 30)
    apart = paired_difference(one, other)
    assert apart is not None
    told = ttest_rel(one, other).confidence_interval(0.95)
    assert apart.interval == pytest.approx((told.low, told.high))
    assert paired_difference(one[:8], other[:8]) is not None
    assert paired_difference(one[:7], other[:7]) is None
    assert paired_difference(one, one + 1) is None  # all alike
    with pytest.raises(ValueError, match="two values of each thing"):
        paired_difference([1, 2], [1, 2, 3])


def test_a_rank_correlation_is_scipys_and_its_interval_covers() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        one = random.normal(size=40)
        other = one + random.normal(size=40)
        found = rank_correlation(one, other)
        assert found is not None
        assert found.value == pytest.approx(spearmanr(one, other).statistic)
        # Of a bivariate normal with correlation 1 / sqrt(2): 6 / pi asin(rho / 2).
        truth = 6 / np.pi * np.arcsin(1 / np.sqrt(8))
        covered += found.interval[0] <= truth <= found.interval[1]
    assert 0.9 <= covered / 200 <= 0.99


def test_nothing_is_said_of_few_or_equal_values() -> None:
    assert rank_correlation([1, 2, 3, 4], [1, 2, 3, 4]) is None
    assert rank_correlation([1, 2, 3, 4, 5], [7, 7, 7, 7, 7]) is None
    perfect = rank_correlation([1, 2, 3, 4, 5], [10, 8, 6, 4, 2])
    assert perfect is not None and perfect.value == pytest.approx(-1)
    # Half a swap of neighbours takes 6 / (5 * 24) away from rho = -1.
    end = np.tanh(np.arctanh(-0.95) + 1.959964 * np.sqrt(1.5 / 2))
    assert perfect.interval == pytest.approx((-1, end), abs=0.002)
