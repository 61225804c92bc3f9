"""The curve of leakage over windows a parameter is found again, and refuses what tells nothing."""

import numpy as np
import pytest

from rote.analysis.fits.leak_curve import LeakCurve, fit_leak_curve

TRUE = LeakCurve(chance=1.44, most=8.0, middle=0.03, steepness=1.2)
RATIO = np.geomspace(0.001, 1, 12)


SIZES = np.repeat([1e6, 4e6, 1e7], 4)
KNOWN = {"chance": 1.44, "most": 8.0}


def test_constants_are_found_again() -> None:
    found = fit_leak_curve(RATIO * SIZES, SIZES, TRUE.at(RATIO), **KNOWN, num_resamples=7)
    assert (found.curve.middle, found.curve.steepness) == pytest.approx((0.03, 1.2), rel=1e-4)
    assert len(found.resampled) == 7
    assert not found.steepness_at_bound


def test_a_cliff_is_at_the_bound_of_its_steepness() -> None:
    leakage = np.where(RATIO < 0.03, 8.0, 1.44)
    assert fit_leak_curve(RATIO, np.ones(12), leakage, **KNOWN, num_resamples=2).steepness_at_bound


def test_the_interval_holds_the_truth_under_noise() -> None:
    noisy = TRUE.at(RATIO) + np.random.default_rng(0).normal(0, 0.2, len(RATIO))
    found = fit_leak_curve(RATIO, np.ones(12), noisy, **KNOWN)
    low, high = np.quantile([each.middle for each in found.resampled], [0.025, 0.975])
    assert low < 0.03 < high < 0.06


@pytest.mark.slow
def test_sizes_that_leak_more_than_others_are_covered() -> None:
    """Five sizes whose middles scatter by 30 %; by chance a true 95 % is below 86 in 0.1 %."""
    held = 0
    sizes = np.repeat([1e5, 3e5, 1e6, 3e6, 1e7], 8)
    ratio = np.tile(np.geomspace(0.003, 0.3, 8), 5)
    for seed in range(100):
        random = np.random.default_rng(seed)
        shifted = ratio * np.repeat(np.exp(0.3 * random.standard_normal(5)), 8)
        leakage = TRUE.at(shifted) + 0.1 * random.standard_normal(40)
        found = fit_leak_curve(ratio * sizes, sizes, leakage, **KNOWN, num_resamples=100)
        low, high = np.quantile([each.middle for each in found.resampled], [0.025, 0.975])
        held += low <= 0.03 <= high
    assert held >= 86


@pytest.mark.parametrize(
    ("ratio", "leakage", "message"),
    [
        ([0.1, 0.1, 0.2], [3.0, 3.0, 2.0], "2 ratio"),
        ([0.1, 0.2, 0.3], [1.44, 1.44, 1.44], "leak alike"),
        ([0.1, 0.2, 0.3], [8.0, 8.0, 8.0], "leak alike"),
    ],
)
def test_what_tells_no_curve_is_refused(
    ratio: list[float], leakage: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fit_leak_curve(ratio, [1.0] * 3, leakage, chance=1.44, most=8.0)
