"""Planted laws are recovered, published ones give their printed targets, both fall to one half."""

import numpy as np
import pytest

from rote.analysis.fits.membership_law import (
    LawReading,
    MembershipCurve,
    MembershipLaw,
    fit_membership_law,
)
from rote.analysis.fits.search import NoFit
from rote.analysis.published import PUBLISHED_CURVES, beside_observed, published_size

SIZES = (20_000, 60_000, 200_000)  # parameters
RATIOS = (0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15, 0.3)  # samples per parameter
CURVES = pytest.mark.parametrize("curve", PUBLISHED_CURVES, ids=lambda each: each.reading.value)


def runs(curve: MembershipCurve, *, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Samples, sizes and F1 of every size with every ratio."""
    parameters = np.repeat(SIZES, len(RATIOS))
    num_samples = parameters * np.tile(RATIOS, len(SIZES))
    sizes = np.array([published_size(curve.reading, each) for each in parameters])
    errors = np.random.default_rng(seed).normal(0, noise, len(sizes))
    return num_samples, sizes, np.clip(curve.predict(num_samples, sizes) + errors, 0, 1)


def fitted(curve: MembershipCurve, *columns: np.ndarray, num_resamples: int = 5) -> MembershipLaw:
    law = fit_membership_law(curve.reading, *columns, num_resamples=num_resamples)
    assert isinstance(law, MembershipLaw), law
    return law


@CURVES
def test_an_exact_law_is_recovered(curve: MembershipCurve) -> None:
    law = fitted(curve, *runs(curve))
    for name in ("height", "slope", "offset"):
        assert getattr(law.curve, name) == pytest.approx(getattr(curve, name), rel=1e-4)
    assert law.noise < 1e-6
    assert np.abs(law.residuals).max() < 1e-6


@CURVES
def test_a_noisy_law_lies_within_its_errors_about_as_often_as_claimed(
    curve: MembershipCurve,
) -> None:
    """20 draws: 95 % intervals of the curve and two standard errors of the constants."""
    within, near = 0, 0
    for seed in range(20):
        num_samples, sizes, f1 = runs(curve, noise=0.02, seed=seed)
        law = fitted(curve, num_samples, sizes, f1, num_resamples=25)
        low, high = law.interval(num_samples[2:6], sizes[2:6])
        truth = curve.predict(num_samples[2:6], sizes[2:6])
        within += int(((low <= truth) & (truth <= high)).sum())
        near += abs(law.curve.slope - curve.slope) < 2 * law.slope_error
        np.testing.assert_allclose(f1 - law.predict(num_samples, sizes), law.residuals)
        assert 0.01 < law.noise < 0.03
    assert within / (20 * 4) > 0.8
    assert near >= 16


@CURVES
def test_published_constants_give_the_printed_targets(curve: MembershipCurve) -> None:
    rows = beside_observed(curve)
    assert len(rows) == 6
    for each, predicted in rows:
        assert predicted == pytest.approx(each.target_f1, abs=0.002)
        assert predicted == pytest.approx(each.observed_f1, abs=0.1)


@CURVES
def test_both_readings_fall_to_one_half_as_data_grow(curve: MembershipCurve) -> None:
    size = published_size(curve.reading, 10**8)
    f1 = curve.predict(np.logspace(4, 14, 400), size)
    assert (np.diff(f1) <= 0).all()
    assert f1[0] > 0.94 and f1.max() <= 1
    assert f1[-1] == pytest.approx(0.5, abs=0.01)
    assert f1[-1] == pytest.approx(curve.limit, abs=1e-6)


@CURVES
@pytest.mark.parametrize("level", [0.52, 0.6, 0.9])
def test_whatever_is_fitted_falls_to_one_half(curve: MembershipCurve, level: float) -> None:
    """Runs that stay high or scatter by themselves do not lift the limit."""
    num_samples, sizes, f1 = runs(curve, noise=0.1)
    law = fit_membership_law(
        curve.reading, num_samples, sizes, np.maximum(f1, level), num_resamples=5
    )
    if isinstance(law, MembershipLaw):
        grown = law.predict(num_samples[:1] * np.logspace(0, 12, 200), sizes[0])
        assert (np.diff(grown) <= 0).all()
        assert law.curve.limit <= 0.51


def test_fitting_the_same_runs_twice_is_the_same() -> None:
    columns = runs(PUBLISHED_CURVES[0], noise=0.02)
    assert fitted(PUBLISHED_CURVES[0], *columns) == fitted(PUBLISHED_CURVES[0], *columns)


@pytest.mark.parametrize("reading", LawReading)
@pytest.mark.parametrize(
    ("num_samples", "f1", "reason"),
    [
        ([1, 2, 3, 3], [0.9, 0.8, 0.6, 0.6], "3 ratios"),
        ([1, 2, 3, 4], [0.5, 0.51, 0.49, 0.5], "no run leaks"),
        ([1, 2, 3, 4], [1.0, 1.0, 1.0, 1.0], "cannot be separated"),
    ],
)
def test_too_little_is_told(
    reading: LawReading, num_samples: list[int], f1: list[float], reason: str
) -> None:
    found = fit_membership_law(reading, num_samples, [10.0] * 4, f1)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("num_samples", "sizes", "f1", "message"),
    [
        ([], [], [], "of each run"),
        ([1, 2], [1], [0.5, 0.5], "of each run"),
        ([0, 2], [1, 1], [0.5, 0.5], "samples > 0"),
        ([1, 2], [1, np.inf], [0.5, 0.5], "sizes > 0"),
        ([1, 2], [1, 1], [0.5, np.nan], "from 0 to 1"),
        ([1, 2], [1, 1], [0.5, 1.1], "from 0 to 1"),
        ([1, 2], [1, 1], [0.5, -1e-9], "from 0 to 1"),
    ],
)
def test_what_is_no_run_is_refused(num_samples: list, sizes: list, f1: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_membership_law(LawReading.SAMPLES_PER_PARAMETER, num_samples, sizes, f1)


def test_an_f1_of_exactly_0_or_1_is_accepted() -> None:
    """An attack that finds no member at all has an F1 of 0; nothing lies below it."""
    reading, columns = LawReading.SAMPLES_PER_PARAMETER, ([1, 2, 3, 4], [1.0] * 4)
    assert isinstance(fit_membership_law(reading, *columns, [0.0] * 4), NoFit)
    law = fit_membership_law(reading, *columns, [1.0, 0.9, 0.6, 0.0], num_resamples=2)
    assert isinstance(law, MembershipLaw)
    assert law.residuals[-1] == pytest.approx(0.0 - law.predict([4], [1.0])[0])


def test_sizes_that_do_not_differ_have_no_spread_and_others_theirs() -> None:
    """Two thirds of the sizes lie 0.04 above, one third 0.08 below: a deviation of 0.069."""
    curve = PUBLISHED_CURVES[0]
    num_samples, sizes, f1 = runs(curve, noise=0.001)
    assert fitted(curve, num_samples, sizes, f1).between_sizes == pytest.approx(0, abs=0.001)
    shifted = f1 + np.repeat([0.04, 0.04, -0.08], len(RATIOS)) * (f1 > 0.55) * (f1 < 0.9)
    found = fitted(curve, num_samples, sizes, shifted)
    assert found.num_sizes == 3
    assert found.between_sizes is not None and 0.02 < found.between_sizes < 0.07
    one = fitted(curve, num_samples[:8], sizes[:8], f1[:8])
    assert (one.num_sizes, one.between_sizes) == (1, None)


def test_a_constant_at_its_bound_is_named() -> None:
    curve = PUBLISHED_CURVES[1]
    num_samples, sizes, f1 = runs(curve)
    assert fitted(curve, num_samples, sizes, f1).at_bounds == ()
    assert fitted(curve, num_samples, sizes, np.minimum(2 * f1 - 0.5, 1)).at_bounds == ("height",)


@pytest.mark.slow
@pytest.mark.parametrize(("by_ratio", "by_height"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.05)])
@pytest.mark.parametrize("num_sizes", [3, 5])
def test_the_band_holds_where_sizes_differ_by_more_than_noise(
    num_sizes: int, by_ratio: float, by_height: float
) -> None:
    """60 draws at five ratios; residuals drawn for any run held 50 % at 3 sizes and 30 % in x."""
    curve, held = PUBLISHED_CURVES[0], 0
    at = np.array([0.012, 0.02, 0.05, 0.07, 0.15])
    for seed in range(60):
        random = np.random.default_rng(seed)
        parameters = np.repeat(np.geomspace(2e4, 2e6, num_sizes), len(RATIOS))
        ratio = np.tile(RATIOS, num_sizes)
        shift = np.repeat(np.exp(by_ratio * random.standard_normal(num_sizes)), len(RATIOS))
        height = np.repeat(1 + by_height * random.standard_normal(num_sizes), len(RATIOS))
        f1 = 0.5 + (curve.at(ratio * shift) - 0.5) * height
        f1 += 0.015 * random.standard_normal(len(ratio))
        columns = (ratio * parameters, parameters, np.clip(f1, 0, 1))
        low, high = fitted(curve, *columns, num_resamples=60).interval(at, np.ones(5))
        held += int(((low <= curve.at(at)) & (curve.at(at) <= high)).sum())
    assert held / 300 >= 0.85
