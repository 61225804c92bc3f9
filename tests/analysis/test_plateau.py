"""A planted plateau is recovered, its interval covers it as often as claimed, and doubt is said."""

import re

import numpy as np
import pytest

from rote.analysis.fits.plateau import Knee, NoPlateau, Plateau, fit_plateau

CAPACITY_BITS = 10_000.0
FILLS = np.array([0.1, 0.25, 0.5, 1, 1.5, 2, 4, 8])


def fitted(data_bits, memorised_bits, **options) -> Plateau:
    plateau = fit_plateau(data_bits, memorised_bits, **options)
    assert isinstance(plateau, Plateau), plateau
    return plateau


@pytest.mark.parametrize("sharpness", [1.0, 3.0, 8.0, 30.0])
def test_planted_plateau_is_recovered(sharpness: float) -> None:
    data_bits = FILLS * CAPACITY_BITS
    knee = Knee(capacity_bits=CAPACITY_BITS, sharpness=sharpness)
    plateau = fitted(data_bits, knee.predict(data_bits), num_resamples=5)
    assert plateau.capacity_bits == pytest.approx(CAPACITY_BITS, rel=1e-3)
    assert plateau.knee.sharpness == pytest.approx(sharpness, rel=1e-2)
    np.testing.assert_allclose(plateau.predict(data_bits), knee.predict(data_bits), rtol=1e-3)


def test_hard_minimum_is_recovered() -> None:
    data_bits = FILLS * CAPACITY_BITS
    plateau = fitted(data_bits, np.minimum(data_bits, CAPACITY_BITS), num_resamples=5)
    assert plateau.capacity_bits == pytest.approx(CAPACITY_BITS, rel=1e-3)
    assert plateau.maximum_bits == CAPACITY_BITS


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
        low, high = fitted(data_bits, memorised_bits, num_resamples=1).interval_bits
        num_covered += low <= CAPACITY_BITS <= high
    assert 0.90 <= num_covered / num_draws <= 0.99  # two sides of 0.95, 3 standard deviations


def test_bootstrap_is_seeded_and_of_the_size_of_the_noise() -> None:
    data_bits = np.tile(FILLS * CAPACITY_BITS, 5)
    noise = 0.02 * np.random.default_rng(1).standard_normal(len(data_bits))
    knee = Knee(capacity_bits=CAPACITY_BITS, sharpness=5.0)
    memorised_bits = knee.predict(data_bits) * (1 + noise)
    once, again, other = (fitted(data_bits, memorised_bits, seed=seed) for seed in (0, 0, 1))
    assert once == again
    assert once.bootstrap_interval_bits != other.bootstrap_interval_bits
    widths = [high - low for low, high in (once.bootstrap_interval_bits, once.interval_bits)]
    assert widths[0] == pytest.approx(widths[1], rel=0.35)


@pytest.mark.parametrize(
    ("fills", "stored", "reason"),
    [
        ([0.5, 4.0], 1.0, "2 data-set size"),
        ([0.1, 0.2, 0.4, 0.8], 1.0, "entropy of the data"),
        ([0.1, 0.2, 0.4, 0.8], 0.9, "entropy of the data"),
        ([0.1, 0.2, 0.3, 4.0], 1.0, r"1 run\(s\) near or beyond capacity"),
        ([0.5, 1.0, 2.0, 4.0], 0.0, "no run memorised anything"),
    ],
)
def test_what_cannot_be_fitted_says_why(fills: list[float], stored: float, reason: str) -> None:
    data_bits = np.array(fills) * CAPACITY_BITS
    memorised_bits = stored * np.minimum(data_bits, CAPACITY_BITS)
    refused = fit_plateau(data_bits, memorised_bits)
    assert isinstance(refused, NoPlateau)
    assert re.search(reason, refused.reason)
    assert refused.maximum_bits == memorised_bits.max()


@pytest.mark.parametrize(
    ("data_bits", "memorised_bits"),
    [([], []), ([1.0, 2.0], [1.0]), ([1.0, 2.0, np.nan], [1.0] * 3), ([0.0, 1.0, 2.0], [0.0] * 3)],
)
def test_degenerate_input_is_refused(data_bits: list[float], memorised_bits: list[float]) -> None:
    with pytest.raises(ValueError, match="a plateau needs"):
        fit_plateau(data_bits, memorised_bits)


def test_the_bootstrap_draws_residuals_widened_for_the_two_constants_fitted() -> None:
    """Four runs far beyond capacity hold M (1 - e) or M (1 + e) bits, two of them each.

    Least squares on relative residuals gives C = sum(B^2) / sum(B) = M (1 + e^2), and residuals
    M (1 - e) / C - 1 and M (1 + e) / C - 1, which are M e / C from their mean. Widened by
    sqrt(4 / (4 - 2)), all four drawn from the same side give M (1 + e^2 -+ e sqrt(2)). This happens
    once in 16 for each side, more often than in the 2.5 % beyond the interval.
    """
    mean, e = CAPACITY_BITS, 0.1
    data_bits = np.array([1.0, 2.0, 4.0, 8.0]) * 1e12 * CAPACITY_BITS
    memorised_bits = mean * np.array([1 + e, 1 - e, 1 - e, 1 + e])
    plateau = fitted(data_bits, memorised_bits, num_resamples=100)
    assert plateau.capacity_bits == pytest.approx(mean * (1 + e**2), rel=1e-5)
    low, high = plateau.bootstrap_interval_bits
    assert low == pytest.approx(mean * (1 + e**2 - e * 2**0.5), rel=1e-4)
    assert high == pytest.approx(mean * (1 + e**2 + e * 2**0.5), rel=1e-4)
