"""Learning rates at step 0, at the end of warm-up, and at the end."""

from functools import partial

import pytest

from rote.optim.schedules import constant, cosine, cosine_floor, earliest_end, flat_linear, linear


def test_warm_up_starts_above_zero_and_ends_at_the_peak() -> None:
    rates = [constant(step, 100, warmup_steps=4) for step in range(6)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_no_warm_up_starts_at_the_peak() -> None:
    assert linear(0, 10, warmup_steps=0, final_fraction=0.0) == 1.0


@pytest.mark.parametrize("shape", [linear, cosine])
def test_decay_is_half_way_at_half_time_and_never_stops_learning(shape: object) -> None:
    rate = lambda step: shape(step, 110, warmup_steps=10, final_fraction=0.2)  # noqa: E731
    assert rate(10) == 1.0
    assert rate(60) == pytest.approx(0.6)
    assert rate(109) > 0.2
    assert rate(110) == pytest.approx(0.2)


def test_a_cosine_is_above_the_line_first_and_below_it_later() -> None:
    settings = {"warmup_steps": 0, "final_fraction": 0.0}
    assert cosine(25, 100, **settings) > linear(25, 100, **settings)
    assert cosine(75, 100, **settings) < linear(75, 100, **settings)


def test_a_cosine_with_a_floor_stays_on_it() -> None:
    """The published rates: 1e-2 after 2,000 steps, 1e-4 from 25,000 on."""
    rate = partial(cosine_floor, warmup_steps=2000, decay_steps=25_000, final_fraction=0.01)
    rates = [rate(step, 30_000) for step in (0, 2000, 13_500, 25_000, 29_999)]
    assert rates == pytest.approx([1 / 2001, 1.0, 0.505, 0.01, 0.01])


def test_flat_linear_falls_over_its_last_part_alone() -> None:
    settings = {"warmup_steps": 10, "decay_fraction": 0.5, "final_fraction": 0.2}
    rates = [flat_linear(step, 110, **settings) for step in (0, 10, 60, 85, 110)]
    assert rates == pytest.approx([1 / 11, 1.0, 1.0, 0.6, 0.2])


def test_flat_linear_that_falls_all_the_way_is_linear() -> None:
    settings = {"warmup_steps": 10, "final_fraction": 0.0}
    for step in range(0, 110, 7):
        whole = flat_linear(step, 110, decay_fraction=1.0, **settings)
        assert whole == pytest.approx(linear(step, 110, **settings))


@pytest.mark.parametrize("decay_fraction", [0.0, -0.5, 1.5])
def test_flat_linear_refuses_a_part_that_is_none(decay_fraction: float) -> None:
    with pytest.raises(ValueError, match=r"decay_fraction must be in \(0, 1\]"):
        flat_linear(0, 10, warmup_steps=0, decay_fraction=decay_fraction, final_fraction=0.0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"warmup_steps": -5}, "warmup_steps must be a whole number from 0 up, got -5"),
        ({"warmup_steps": "few"}, "warmup_steps must be a whole number from 0 up, got 'few'"),
        ({"final_fraction": -0.1}, "final_fraction must be a number from 0 up, got -0.1"),
        ({"decay_steps": 0}, "decay_steps must be a whole number from 1 up, got 0"),
    ],
)
def test_rates_below_zero_are_refused(setting: dict[str, object], message: str) -> None:
    """A warm-up of -5 steps would climb the loss from the first step on."""
    usual = {"warmup_steps": 0, "decay_steps": 5, "final_fraction": 0.0}
    with pytest.raises(ValueError, match=message):
        cosine_floor(0, 10, **(usual | setting))


def test_only_a_flat_part_can_end_earlier() -> None:
    flat = partial(flat_linear, warmup_steps=10, decay_fraction=0.5, final_fraction=0.0)
    falling = partial(linear, warmup_steps=10, final_fraction=0.0)
    assert earliest_end(partial(constant, warmup_steps=10), 99, 1000) == 100
    assert earliest_end(flat, 110, 1000) == 210  # 100 flat steps after warm-up, 100 of decay
    assert flat(110, 210) == 1.0 > flat(111, 210)
    assert earliest_end(flat, 700, 1000) == 1000  # falling already
    assert earliest_end(falling, 99, 1000) == 1000
