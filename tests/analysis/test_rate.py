"""Rates with exact intervals, alone and added up."""

import pytest
from scipy.stats import beta

from rote.analysis.quantities.rate import Rate, pooled


def test_clopper_pearson_known_values() -> None:
    assert Rate(successes=0, trials=10).interval == pytest.approx((0, 1 - 0.025**0.1))
    assert Rate(successes=10, trials=10).interval == pytest.approx((0.025**0.1, 1))
    assert Rate(successes=5, trials=10).interval == pytest.approx((0.1871, 0.8129), abs=1e-4)


@pytest.mark.parametrize(("count", "trials"), [(0, 20), (3, 20), (20, 20)])
def test_rates_have_clopper_pearson_intervals(count: int, trials: int) -> None:
    low, high = Rate(successes=count, trials=trials).interval
    assert low == pytest.approx(beta.ppf(0.025, count, trials - count + 1) if count else 0)
    assert high == pytest.approx(beta.ppf(0.975, count + 1, trials - count) if count < 20 else 1)


def test_things_that_several_models_were_asked_count_once() -> None:
    asked = pooled([Rate(successes=1, trials=10), Rate(successes=3, trials=10)], same_things=True)
    assert asked.value == 0.2
    assert asked.interval == pytest.approx(Rate(successes=2, trials=10).interval)


def test_pooled_rates_are_counts_added_up() -> None:
    both = pooled([Rate(successes=1, trials=2), Rate(successes=2, trials=8)])
    assert both == Rate(successes=3, trials=10)
