"""Exposure with answers worked by hand, and estimates against exact distribution functions."""

import math

import mpmath
import numpy as np
import pytest
from scipy.stats import skewnorm

from rote.analysis.quantities.exposure import (
    CHANCE_BITS,
    Exposures,
    SkewNormal,
    chance_bits,
    compare_with_chance,
    exposure_bits,
    exposures,
    fit_skew_normal,
    mean_exposure,
    secret_code_bits,
)


def test_exposure_is_the_most_less_the_rank_in_bits() -> None:
    assert exposure_bits([10, 10, 10], [0, 1, 1023]).tolist() == [10, 9, 0]
    assert exposure_bits(np.log2(1023), 1023) == pytest.approx(np.log2(1023 / 1024))


def test_a_guess_has_an_expectation_of_1_44_bits() -> None:
    assert pytest.approx(1.4427, abs=1e-4) == CHANCE_BITS
    assert chance_bits(2) == pytest.approx(0.5)  # one bit or none
    assert chance_bits(4) == pytest.approx((2 + 1 + 2 - math.log2(3) + 0) / 4)
    assert chance_bits(10**7) == pytest.approx(CHANCE_BITS, abs=1e-5)


def test_controls_that_are_guesses_pass_and_those_that_leak_do_not() -> None:
    random = np.random.default_rng(0)
    verdicts = [
        compare_with_chance(10 - np.log2(random.integers(1, 1025, size=40))) for _ in range(400)
    ]
    kept = np.mean([verdict.holds for verdict in verdicts])
    assert kept == pytest.approx(0.95, abs=0.03)
    assert np.mean([verdict.p_value for verdict in verdicts]) == pytest.approx(0.5, abs=0.06)
    leaking = compare_with_chance([4.0] * 10)
    assert not leaking.holds
    assert leaking.p_value < 1e-3
    with pytest.raises(ValueError, match="no controls"):
        compare_with_chance([])


def planted_fit(place: float, shape: float) -> float:
    """Exposure at ``place`` under a skew-normal of scale 3 around 20."""
    fit = SkewNormal(shape=shape, location_bits=20, scale_bits=3, ks_p_value=1)
    return fit.exposure_bits(20 + 3 * place)


@pytest.mark.parametrize(
    ("place", "shape"),
    [(3, 1), (0, -2), (-2, 0), (-6, 0), (-2, 3), (-5, -1), (-12, -4), (-1, 8), (-0.3, 20)],
)
def test_a_skew_normals_exposure_is_exact_far_beyond_where_its_distribution_underflows(
    place: float, shape: float
) -> None:
    with mpmath.workdps(40):
        steps = [place - 20, place - 5, place - 2, place - 1, place - 0.3, place - 0.05, place]
        share = mpmath.quad(lambda t: 2 * mpmath.npdf(t) * mpmath.ncdf(shape * t), steps)
        expected = float(-mpmath.log(share, 2))
    assert planted_fit(place, shape) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_a_planted_distribution_is_fitted_and_judged() -> None:
    codes = skewnorm(-3, 40, 5).rvs(2000, random_state=0)
    fit = fit_skew_normal(codes)
    assert fit is not None and fit.holds
    for quantile in (0.5, 0.1, 0.01):
        code = float(np.quantile(codes, quantile))
        assert fit.exposure_bits(code) == pytest.approx(-np.log2(quantile), abs=0.35)
    two_humps = np.concatenate([codes, codes + 60])
    warned = fit_skew_normal(two_humps)
    assert warned is not None and not warned.holds


@pytest.mark.parametrize("codes", [[5.0] * 30, [math.inf] * 30, [1.0, 2.0]])
def test_equal_infinite_and_few_references_have_no_fit(codes: list[float]) -> None:
    assert fit_skew_normal(codes) is None


def test_means_against_repeats_have_an_interval_from_three_canaries_on() -> None:
    """If all lie at the bound, as many of 4 as Clopper and Pearson leave may lie at none."""
    rows = Exposures(
        repeats_K=np.array([4, 0, 4, 1, 4]), bits_K=np.array([6.0, 1.0, 8.0, 3.0, 7.0]),
        most_bits_K=np.full(5, 10.0), code_bits_K=np.zeros(5), reference_code_bits=[],
    ).at_repeats  # fmt: skip
    assert [(times, mean.n, mean.value) for times, mean in rows.items()] == [
        (0, 1, 1.0), (1, 1, 3.0), (4, 3, 7.0),
    ]  # fmt: skip
    assert rows[0].span("{:.1f}") == "fewer than 3 canaries"
    low, high = rows[4].ends
    assert 0.0 < low < 7.0 < high < 10.0
    assert mean_exposure([1.0, 9.0], most_bits=10.0).interval is None
    low, high = mean_exposure([10.0] * 4, most_bits=10.0).ends
    assert low == pytest.approx(10 * 0.025 ** (1 / 4), abs=0.15) and high == 10.0
    assert mean_exposure([-0.001] * 4, most_bits=10.0).interval is not None


def test_a_runs_arrays_are_read_in_their_order() -> None:
    """One canary of four secrets, ranked whole, then one with thirty references."""
    codes = skewnorm(2, 30, 2).rvs(30, random_state=1)
    arrays = {
        "exposure.repeats": np.array([2, 0]),
        "exposure.secret_bits": np.array([2.0, 40.0]),
        "exposure.code_bits": np.array([3.0, codes.mean()], np.float32),
        "exposure.num_references": np.array([3, 30]),
        "exposure.num_as_likely": np.array([1, 15]),
        "exposure.is_exact": np.array([True, False]),
        "exposure.reference_code_bits": np.concatenate([[2.0, 4.0, 5.0], codes]),
        "cost.train_code_bits": np.array([1.0]),
    }
    found = exposures(arrays)
    assert found.bits_K == pytest.approx([1.0, np.log2(30 / 16)])
    assert found.most_bits_K == pytest.approx([2.0, np.log2(30)])
    assert found.is_control_K.tolist() == [False, True]
    assert found.fits_K[0] is found.fitted_bits_K[0] is None
    assert found.fitted_bits_K[1] == pytest.approx(1.0, abs=0.4)


def test_the_code_of_a_secret_is_that_among_all_with_its_template() -> None:
    arrays = {
        "exposure.code_bits": np.array([37.0, 34.0, 50.0, 1e4]),
        "exposure.secret_bits": np.array([3.0, 3.0, 20.0, 3.0]),
        "exposure.num_references": np.array([7, 7, 2, 7]),
        "exposure.reference_code_bits": np.array([*[37.0] * 14, 50.0, 50.0, *[1e4] * 7]),
    }
    codes_K = secret_code_bits(arrays)
    assert codes_K[0] == pytest.approx(3.0)  # all eight are as likely
    assert codes_K[1] == pytest.approx(np.log2(15 / 8))  # eight times as likely as each of seven
    assert codes_K[2:] == pytest.approx([20.0, 3.0])  # two stand for all others; no underflow
