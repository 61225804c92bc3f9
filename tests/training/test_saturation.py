"""The stopping rule on curves whose growth is known."""

import pytest

from rote.training.saturation import Saturation

RULE = Saturation(window_steps=1000, max_growth_per_1000_steps=0.01, min_steps=0)


def test_growth_of_a_straight_line_is_its_slope() -> None:
    line = [0.03 * step for step in range(0, 5000, 100)]
    assert RULE.growth(line, 100) == pytest.approx(30.0)


def test_growth_needs_two_full_windows() -> None:
    assert RULE.growth([1.0] * 19, 100) is None
    assert RULE.growth([1.0] * 20, 100) == 0.0


def test_a_flat_curve_has_saturated_one_that_grows_falls_or_has_not_begun_has_not() -> None:
    assert RULE.reached(9.9, 1000.0, 5000.0)
    for growth, memorised_bits in ((10.1, 1000.0), (-500.0, 1000.0), (0.0, 49.0)):
        assert not RULE.reached(growth, memorised_bits, 5000.0)


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match=r"window_steps must be a whole number from 1 up, got 0"):
        Saturation(window_steps=0, max_growth_per_1000_steps=0.01, min_steps=0)
