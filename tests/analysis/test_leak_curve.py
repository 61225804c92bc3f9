"""The curve of leakage over windows a parameter is found again, and refuses what tells nothing."""

import numpy as np
import pytest

from rote.analysis.fits.leak_curve import LeakCurve, fit_leak_curve

TRUE = LeakCurve(chance=1.44, most=8.0, middle=0.03, steepness=1.2)
RATIO = np.geomspace(0.001, 1, 12)


def test_constants_are_found_again() -> None:
    found, resampled = fit_leak_curve(RATIO, TRUE.at(RATIO), chance=1.44, most=8.0)
    assert (found.middle, found.steepness) == pytest.approx((0.03, 1.2), rel=1e-4)
    assert len(resampled) > 150


def test_the_interval_holds_the_truth_under_noise() -> None:
    noisy = TRUE.at(RATIO) + np.random.default_rng(0).normal(0, 0.2, len(RATIO))
    _, resampled = fit_leak_curve(RATIO, noisy, chance=1.44, most=8.0)
    low, high = np.quantile([each.middle for each in resampled], [0.025, 0.975])
    assert low < 0.03 < high < 0.06


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
        fit_leak_curve(ratio, leakage, chance=1.44, most=8.0)


def test_every_resample_of_two_ratios_or_more_is_kept() -> None:
    """Twelve runs drawn from twelve are all of one ratio in 1 of 12^11 cases."""
    _, resampled = fit_leak_curve(RATIO, TRUE.at(RATIO), chance=1.44, most=8.0, num_resamples=7)
    assert len(resampled) == 7


def test_a_resample_of_one_ratio_alone_is_left_out() -> None:
    """Three runs drawn from three are of one ratio in 1 of 9 cases, of all three in 2 of 9."""
    found, resampled = fit_leak_curve(
        RATIO[4:7], TRUE.at(RATIO[4:7]), chance=1.44, most=8.0, num_resamples=180
    )
    assert (found.middle, found.steepness) == pytest.approx((0.03, 1.2), rel=1e-4)
    assert abs(len(resampled) - 160) <= 13  # three standard deviations; 180 would be all
    # Without noise two ratios determine the same curve as three.
    assert [each.middle for each in resampled] == pytest.approx([0.03] * len(resampled), rel=1e-3)
