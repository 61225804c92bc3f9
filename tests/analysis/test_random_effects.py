"""Means of groups that differ by more than their errors: closed forms, and how often they hold.

Mean bits per parameter of several sizes: planted means are found without bias, and covered.
"""

import numpy as np
import pytest
from scipy.stats import chi2
from scipy.stats import t as student_t

from rote.analysis.fits.plateau import Knee, Plateau, fit_plateau
from rote.analysis.fits.random_effects import fit_slope, random_effects_mean
from rote.analysis.published import PUBLISHED_ALPHAS, TABLE


def test_equal_errors_leave_the_plain_mean_and_what_they_do_not_explain() -> None:
    """By hand: values 1, 3, 5 of variance 4 with errors of 1 leave tau^2 = 3; s.e. 2 / sqrt(3)."""
    found = random_effects_mean([1.0, 3.0, 5.0], [1.0, 1.0, 1.0])
    assert found.mean.value == pytest.approx(3)
    assert found.between.value == pytest.approx(np.sqrt(3))
    assert found.standard_error == pytest.approx(2 / np.sqrt(3))
    reach = student_t.ppf(0.975, 2) * 2 / np.sqrt(3)
    assert found.mean.interval == pytest.approx((3 - reach, 3 + reach))
    ends = np.sqrt(8 / chi2.ppf([0.975, 0.025], 2) - 1)  # squares are 8 / (1 + tau^2)
    assert found.between.interval == pytest.approx(ends)


@pytest.mark.parametrize("unit", [1e-12, 1e9])
def test_units_change_nothing(unit: float) -> None:
    plain = random_effects_mean([1.0, 3.0, 5.0], [1.0, 0.5, 2.0])
    scaled = random_effects_mean(np.array([1, 3, 5]) * unit, np.array([1, 0.5, 2]) * unit)
    assert scaled.between.value / unit == pytest.approx(plain.between.value)
    assert scaled.mean.value / unit == pytest.approx(plain.mean.value)
    assert np.array(scaled.between.ends) / unit == pytest.approx(plain.between.ends)


def test_two_unequal_errors_are_weighted_by_both_variances() -> None:
    """By hand: 0 and 4 with errors 1 and 2: (y1 - y2)^2 / (2 tau^2 + 5) = 1, so tau^2 = 5.5."""
    found = random_effects_mean([0.0, 4.0], [1.0, 2.0])
    assert found.between.value**2 == pytest.approx(5.5)
    assert found.mean.value == pytest.approx(4 * (1 / 9.5) / (1 / 6.5 + 1 / 9.5))


def test_values_closer_than_their_errors_keep_the_error_of_the_weighted_mean() -> None:
    found = random_effects_mean([2.0, 2.01, 1.99], [0.1, 0.1, 0.1])
    assert (found.between.value, found.between.low) == (0.0, 0.0)
    assert found.standard_error == pytest.approx(0.1 / np.sqrt(3))


@pytest.mark.parametrize(
    ("values", "errors", "message"),
    [
        ([1.0], [1.0], "two or more"),
        ([1.0, 2.0], [1.0], "two or more"),
        ([1.0, 2.0], [1.0, 0.0], "errors > 0"),
        ([1.0, np.nan], [1.0, 1.0], "errors > 0"),
    ],
)
def test_degenerate_input_is_refused(values, errors, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        random_effects_mean(values, errors)


@pytest.mark.parametrize("num_groups", [2, 3, 4, 16])
@pytest.mark.parametrize("tau", [0.0, 0.3, 3.0])
def test_intervals_hold_mean_and_spread(num_groups: int, tau: float) -> None:
    """500 draws, errors from 0.5 to 2: below 0.92 a true 95 % falls in one case of 1,000."""
    generator = np.random.default_rng(0)
    errors = np.geomspace(0.5, 2, num_groups)
    means, spreads = 0, 0
    for _ in range(500):
        noise = tau * generator.standard_normal(num_groups)
        noise += errors * generator.standard_normal(num_groups)
        found = random_effects_mean(10 + noise, errors)
        means += not found.mean.excludes(10)
        spreads += not found.between.excludes(tau)
    assert means / 500 >= 0.92
    assert spreads / 500 >= 0.92


SIZES = (5_000, 10_000, 40_000, 200_000)
ALPHA = 3.6


def plateaus(*scatter: float, noise: float = 0.04, degrees: int = 3) -> list[tuple[int, Plateau]]:
    """Capacities that scatter about the mean, each with a relative error of half the noise."""
    return [
        (size, plateau(ALPHA * size * (1 + apart), noise=noise, degrees=degrees))
        for size, apart in zip(SIZES, scatter, strict=False)
    ]


def plateau(capacity_bits: float, *, noise: float, degrees: int) -> Plateau:
    return Plateau(
        knee=Knee(capacity_bits=capacity_bits, sharpness=4.0),
        relative_noise=noise,
        degrees_of_freedom=degrees,
        log_capacity_errors_per_noise=0.5,
        interval_bits=(0.0, 0.0),
        maximum_bits=capacity_bits,
    )


def test_planted_mean_is_recovered() -> None:
    slope = fit_slope(plateaus(0, 0, 0, 0))
    assert slope.mean.value == pytest.approx(ALPHA)
    # Four errors of 2 % each: 1 % of their mean, whatever the sizes.
    assert slope.standard_error == pytest.approx(0.01 * ALPHA)
    assert (slope.degrees, slope.between.value) == (3, 0.0)
    # A size that holds less weighs no more: the plain mean of 0.8, 0.8, 1.2 and 1.2 is 1.
    assert fit_slope(plateaus(-0.2, -0.2, 0.2, 0.2)).mean.value == pytest.approx(ALPHA)


def test_scatter_beyond_the_errors_is_the_spread_between_sizes() -> None:
    """Deviations of 10 % about the mean: variance 4/3 of their square, the errors' taken off."""
    slope = fit_slope(plateaus(0.1, -0.1, 0.1, -0.1))
    expected = ALPHA * np.sqrt(0.1**2 * 4 / 3 - 0.02**2)
    assert slope.between.value == pytest.approx(expected)
    assert slope.standard_error == pytest.approx(ALPHA * np.sqrt(0.1**2 / 3))


def test_one_size_keeps_the_error_of_its_plateau() -> None:
    slope = fit_slope(plateaus(0))
    assert slope.mean.value == pytest.approx(ALPHA)
    assert slope.standard_error == pytest.approx(0.02 * ALPHA)
    assert slope.degrees == 3
    assert slope.between is None


def test_noise_is_pooled_over_sizes() -> None:
    """A size that looks exact by luck must not carry the mean alone."""
    lucky, plain = (plateau(4.0, noise=noise, degrees=2) for noise in (1e-9, 0.04))
    slope = fit_slope([(1, lucky), (1, plain)])
    assert slope.standard_error == pytest.approx(4 * 0.02 / np.sqrt(2 * 2))


def test_no_size_is_refused() -> None:
    with pytest.raises(ValueError, match="takes one model size"):
        fit_slope([])


def fitted(alphas: dict[int, float], *, noise: float, seed: int):
    """Six data sets about 3.6 bits a parameter and three seeds, as sweeps/capacity has them."""
    generator = np.random.default_rng(seed)
    found = []
    for size, alpha in alphas.items():
        data = np.repeat(np.array([0.5, 0.75, 1.0, 1.25, 1.5, 2.0]) * 3.6 * size, 3)
        exact = Knee(capacity_bits=alpha * size, sharpness=8.0).predict(data)
        one = fit_plateau(data, exact * (1 + noise * generator.standard_normal(len(data))))
        found.append((size, one))
    return fit_slope(found)


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "scatter"), [(2.2, 0.08), (3.6, 0.08), (3.6, 0.02), (3.6, 0.0)])
def test_sixteen_sizes_that_scatter_have_an_unbiased_and_covered_mean(mean, scatter) -> None:
    sizes = np.geomspace(80_352, 6_860_000, 16).round().astype(int).tolist()
    found, held = [], 0
    for seed in range(200):
        drawn = mean * (1 + scatter * np.random.default_rng([7, seed]).standard_normal(16))
        slope = fitted(dict(zip(sizes, drawn.tolist(), strict=True)), noise=0.01, seed=seed)
        low, high = slope.mean.ends
        found.append(slope.mean.value)
        held += low <= mean <= high
    assert np.mean(found) == pytest.approx(mean, rel=0.01)
    assert held / 200 >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_mean_of_the_published_sizes_is_found(precision: str) -> None:
    """Of the seven that Morris et al. 2025 print; weights of absolute errors gave 5 % less."""
    alphas = {
        each.parameters: each.bits_per_parameter
        for each in PUBLISHED_ALPHAS
        if each.precision == precision and each.source == TABLE and each.parameters
    }
    found = [fitted(alphas, noise=0.01, seed=seed).mean.value for seed in range(40)]
    assert np.mean(found) == pytest.approx(np.mean(list(alphas.values())), rel=0.01)
