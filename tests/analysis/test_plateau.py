"""A planted plateau is recovered, its interval covers it as often as claimed, and doubt is said."""

import re
from dataclasses import replace

import numpy as np
import pytest

from rote.analysis.fits.plateau import Knee, Plateau, exponent_beyond, fit_plateau

CAPACITY_BITS = 10_000.0
FILLS = np.array([0.1, 0.25, 0.5, 1, 1.5, 2, 4, 8])


def fitted(data_bits, memorised_bits) -> Plateau:
    plateau = fit_plateau(data_bits, memorised_bits)
    assert isinstance(plateau, Plateau), plateau
    return plateau


def test_the_exponent_beyond_capacity_is_that_of_planted_runs() -> None:
    data = np.array([0.5, 1.2, 1.5, 2.0, 3.0]) * 100.0
    found = exponent_beyond(data, np.minimum(data, 100.0 * (data / 100) ** -0.05), 100.0)
    assert found is not None and found.n == 4
    assert found.value == pytest.approx(-0.05)
    noisy = exponent_beyond(data, np.array([50.0, 101, 99, 100, 101]), 100.0)
    assert noisy.interval[0] < 0 < noisy.interval[1]
    assert exponent_beyond(data[:3], data[:3], 100.0) is None


@pytest.mark.parametrize("sharpness", [1.0, 3.0, 8.0, 30.0])
def test_planted_plateau_is_recovered(sharpness: float) -> None:
    data_bits = FILLS * CAPACITY_BITS
    knee = Knee(capacity_bits=CAPACITY_BITS, sharpness=sharpness)
    plateau = fitted(data_bits, knee.predict(data_bits))
    assert plateau.capacity_bits == pytest.approx(CAPACITY_BITS, rel=1e-3)
    assert plateau.knee.sharpness == pytest.approx(sharpness, rel=1e-2)
    np.testing.assert_allclose(plateau.knee.predict(data_bits), knee.predict(data_bits), rtol=1e-3)


def test_hard_minimum_is_recovered() -> None:
    data_bits = FILLS * CAPACITY_BITS
    plateau = fitted(data_bits, np.minimum(data_bits, CAPACITY_BITS))
    assert plateau.capacity_bits == pytest.approx(CAPACITY_BITS, rel=1e-3)
    assert plateau.maximum_bits == CAPACITY_BITS


def test_the_top_of_a_falling_curve_is_its_capacity() -> None:
    knee = Knee(capacity_bits=CAPACITY_BITS, sharpness=6.0, fall=0.1)
    dense = np.geomspace(0.1, 20, 20_001) * CAPACITY_BITS
    assert knee.predict(dense).max() == pytest.approx(CAPACITY_BITS, rel=1e-6)
    far = knee.predict(np.array([50.0, 100.0]) * CAPACITY_BITS)
    assert far[1] / far[0] == pytest.approx(2**-0.1, rel=1e-6)
    data_bits = FILLS * CAPACITY_BITS
    plateau = fitted(data_bits, knee.predict(data_bits))
    assert plateau.capacity_bits == pytest.approx(CAPACITY_BITS, rel=1e-4)
    assert plateau.knee.fall == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("fall", [0.0, 0.05])
def test_derivatives_are_those_of_differences(fall: float) -> None:
    data_bits, step = FILLS * CAPACITY_BITS, 1e-6
    knee = Knee(capacity_bits=CAPACITY_BITS, sharpness=6.0, fall=fall)
    moved = [
        replace(knee, capacity_bits=CAPACITY_BITS * np.exp(step)),
        replace(knee, sharpness=6.0 * np.exp(step)),
        *([replace(knee, fall=fall + step)] if fall else []),
    ]
    for column, other in enumerate(moved):
        change = np.log(other.predict(data_bits) / knee.predict(data_bits)) / step
        np.testing.assert_allclose(knee.slopes(data_bits)[:, column], change, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("fills", [[0.75, 1, 1.25, 1.5, 2], [0.25, 0.5, 1, 2, 4, 8]])
@pytest.mark.parametrize("fall", [0.0, 0.03, 0.1])
def test_interval_covers_the_top_where_bits_fall_beyond_it(fills: list[float], fall: float) -> None:
    generator = np.random.default_rng(0)
    knee = Knee(capacity_bits=CAPACITY_BITS, sharpness=6.0, fall=fall)
    data_bits = np.repeat(np.array(fills) * CAPACITY_BITS, 3)
    num_draws, num_covered = 400, 0
    for _ in range(num_draws):
        noise = 1 + 0.02 * generator.standard_normal(len(data_bits))
        memorised_bits = np.minimum(knee.predict(data_bits) * noise, data_bits)
        low, high = fitted(data_bits, memorised_bits).interval_bits
        num_covered += low <= CAPACITY_BITS <= high
    assert num_covered / num_draws >= 0.92


@pytest.mark.parametrize("exact_below_capacity", [True, False])
def test_interval_covers_as_claimed(exact_below_capacity: bool) -> None:
    """Also where small data sets are stored exactly: they must not lend their certainty."""
    generator = np.random.default_rng(3)
    data_bits = FILLS * CAPACITY_BITS
    knee = Knee(capacity_bits=CAPACITY_BITS, sharpness=5.0)
    num_draws, num_covered = 300, 0
    for _ in range(num_draws):
        noise = 0.03 * generator.standard_normal(len(data_bits))
        weight = knee.pull(data_bits) if exact_below_capacity else 1.0
        memorised_bits = knee.predict(data_bits) * (1 + weight * noise)
        low, high = fitted(data_bits, memorised_bits).interval_bits
        num_covered += low <= CAPACITY_BITS <= high
    assert 0.90 <= num_covered / num_draws <= 0.99  # two sides of 0.95, 3 standard deviations


@pytest.mark.parametrize(
    ("fills", "stored", "reason"),
    [
        ([0.5, 4.0], 1.0, "2 data-set size"),
        ([0.5, 0.9, 1.1], 1.0, "data-limited"),  # 1 / 1.1 is above 0.9
        ([0.1, 0.2, 0.4, 0.8], 1.0, "data-limited"),
        ([0.1, 0.2, 0.4, 0.8], 0.9, "data-limited"),
        ([0.1, 0.2, 0.3, 4.0], 1.0, r"1 run near or beyond capacity"),
        ([0.5, 1.0, 2.0, 4.0], 0.0, "no run memorised anything"),
    ],
)
def test_what_cannot_be_fitted_says_why(fills: list[float], stored: float, reason: str) -> None:
    data_bits = np.array(fills) * CAPACITY_BITS
    memorised_bits = stored * np.minimum(data_bits, CAPACITY_BITS)
    refused = fit_plateau(data_bits, memorised_bits)
    assert re.search(reason, refused.reason)
    assert refused.maximum_bits == memorised_bits.max()


def test_bits_about_zero_are_no_capacity() -> None:
    """A model that errs: least squares would have any capacity, and none that is finite."""
    refused = fit_plateau(FILLS * CAPACITY_BITS, [-5.0] * 4 + [1.0] * 4)
    assert "scatter too much" in refused.reason


@pytest.mark.parametrize(
    ("data_bits", "memorised_bits"),
    [([], []), ([1.0, 2.0], [1.0]), ([1.0, 2.0, np.nan], [1.0] * 3), ([0.0, 1.0, 2.0], [0.0] * 3)],
)
def test_degenerate_input_is_refused(data_bits: list[float], memorised_bits: list[float]) -> None:
    with pytest.raises(ValueError, match="a plateau needs"):
        fit_plateau(data_bits, memorised_bits)
