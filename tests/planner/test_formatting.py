"""Numbers as people write them."""

import pytest

from rote.planner.formatting import amount, duration, short


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.5b", 1.5e9), ("170M", 1.7e8), ("500k", 5e5), ("1e21", 1e21), ("1_000", 1e3), ("2T", 2e12)],
)
def test_amounts_are_read(text: str, value: float) -> None:
    assert amount(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "b", "-3", "0", "1.5 billion", "nan", "1e999", "1x"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number like"):
        amount(text)


def test_amounts_are_written_with_three_digits() -> None:
    written = [short(each) for each in (1.556e9, 999_999, 4.2e4, 12, 1e21)]
    assert written == ["1.56B", "1M", "42k", "12", "1e21"]


def test_durations_take_the_unit_that_fits() -> None:
    written = [duration(each) for each in (0.01, 5, 90, 7200, 3 * 86400, 4e7)]
    assert written == ["<0.1 s", "5.0 s", "1.5 min", "2.0 h", "3.0 days", "1.3 years"]
