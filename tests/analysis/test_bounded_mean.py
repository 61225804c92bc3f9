"""Intervals of means between known bounds: Clopper and Pearson's where they are exact."""

import numpy as np
import pytest

from rote.analysis.fits.bounded_mean import MOST_DRAWN, bounded_mean_interval
from rote.analysis.quantities.rate import Rate


@pytest.mark.parametrize(("ones", "number"), [(0, 3), (3, 3), (2, 8), (30, 60), (9, 299)])
def test_of_zeros_and_ones_it_is_clopper_and_pearsons(ones: int, number: int) -> None:
    values = [1.0] * ones + [0.0] * (number - ones)
    expected = Rate(successes=ones, trials=number).interval
    found = bounded_mean_interval(values, least=0, most=1)
    assert found == pytest.approx(expected, abs=0.02 * (expected[1] - expected[0]))


def test_it_moves_with_its_unit_and_turns_with_its_sign() -> None:
    values = np.array([1.0, 2.0, 2.5, 7.0])
    low, high = bounded_mean_interval(values, least=0, most=10)
    assert 0 < low < values.mean() < high < 10
    moved = bounded_mean_interval(3 * values + 1, least=1, most=31)
    assert moved == pytest.approx((3 * low + 1, 3 * high + 1))
    turned = bounded_mean_interval(-values, least=-10, most=0)
    assert turned == pytest.approx((-high, -low), abs=0.15)


def test_of_many_values_it_is_the_same_without_drawing() -> None:
    values = np.random.default_rng(0).exponential(1.4, MOST_DRAWN - 1).clip(max=10)
    drawn = bounded_mean_interval(values, least=0, most=10)
    one_more = bounded_mean_interval(np.append(values, values.mean()), least=0, most=10)
    assert one_more == pytest.approx(drawn, abs=0.03)


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
        bounded_mean_interval(values, least=least, most=most)
