"""Mean bits per parameter of several sizes: planted means are found without bias, and covered."""

import numpy as np
import pytest

from rote.analysis.fits.plateau import Knee, Plateau, fit_plateau
from rote.analysis.fits.slope import CapacityPoint, fit_slope, points_of
from rote.analysis.published import PUBLISHED_ALPHAS, TABLE

SIZES = (5_000, 10_000, 40_000, 200_000)
ALPHA = 3.6


def points(*, noises=(0.0,) * 4, errors=(0.02,) * 4) -> list[CapacityPoint]:
    return [
        CapacityPoint(
            parameters=size, capacity_bits=ALPHA * size * (1 + noise), relative_error=error
        )
        for size, noise, error in zip(SIZES, noises, errors, strict=True)
    ]


def test_planted_mean_is_recovered() -> None:
    slope = fit_slope(points(), degrees_of_freedom=12)
    assert slope.bits_per_parameter.value == pytest.approx(ALPHA)
    # Four errors of 2 % each: 1 % of their mean, whatever the sizes.
    assert slope.standard_error_bits_per_parameter == pytest.approx(0.01 * ALPHA)
    between = slope.between_sizes_bits_per_parameter
    assert (slope.degrees_of_freedom, between and between.value) == (3, 0.0)
    assert slope.predict([100, 200]) == pytest.approx([360, 720])


def test_a_size_that_holds_less_weighs_no_more() -> None:
    """Equal relative errors: the plain mean of 0.8, 0.8, 1.2 and 1.2 is 1."""
    slope = fit_slope(points(noises=(-0.2, -0.2, 0.2, 0.2)), degrees_of_freedom=12)
    assert slope.bits_per_parameter.value == pytest.approx(ALPHA)


def test_scatter_beyond_the_errors_is_the_spread_between_sizes() -> None:
    """Deviations of 10 % about the mean: variance 4/3 of their square, the errors' taken off."""
    slope = fit_slope(points(noises=(0.1, -0.1, 0.1, -0.1)), degrees_of_freedom=30)
    between = slope.between_sizes_bits_per_parameter
    expected = ALPHA * np.sqrt(0.1**2 * 4 / 3 - 0.02**2)
    assert between is not None and between.value == pytest.approx(expected)
    error = ALPHA * np.sqrt(0.1**2 / 3)
    assert slope.standard_error_bits_per_parameter == pytest.approx(error)


def test_one_size_keeps_the_error_of_its_plateau() -> None:
    slope = fit_slope(points()[:1], degrees_of_freedom=3)
    assert slope.bits_per_parameter.value == pytest.approx(ALPHA)
    assert slope.standard_error_bits_per_parameter == pytest.approx(0.02 * ALPHA)
    assert slope.degrees_of_freedom == 3
    assert slope.between_sizes_bits_per_parameter is None


def test_noise_is_pooled_over_sizes() -> None:
    """A size that looks exact by luck must not carry the mean alone."""
    lucky, plain = (plateau(relative_noise=noise) for noise in (1e-9, 0.04))
    pooled, degrees = points_of([(1000, lucky), (1000, plain)])
    assert degrees == 4
    assert [each.relative_error for each in pooled] == pytest.approx([0.02 / np.sqrt(2)] * 2)


def plateau(*, relative_noise: float) -> Plateau:
    return Plateau(
        knee=Knee(capacity_bits=3000.0, sharpness=4.0),
        relative_noise=relative_noise,
        degrees_of_freedom=2,
        log_capacity_errors_per_noise=0.5,
        interval_bits=(0.0, 0.0),
        maximum_bits=3000.0,
    )


@pytest.mark.parametrize(
    ("degenerate", "degrees", "message"),
    [
        ([], 1, "takes one model size"),
        ([CapacityPoint(parameters=0, capacity_bits=1, relative_error=1)], 1, "sizes and cap"),
        ([CapacityPoint(parameters=1, capacity_bits=1, relative_error=0)], 1, "error > 0"),
        ([CapacityPoint(parameters=1, capacity_bits=1, relative_error=1)], 0, "degrees"),
    ],
)
def test_degenerate_input_is_refused(degenerate, degrees: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_slope(degenerate, degrees_of_freedom=degrees)


def fitted(alphas: dict[int, float], *, noise: float, seed: int):
    """Six data sets about 3.6 bits a parameter and three seeds, as sweeps/capacity has them."""
    generator = np.random.default_rng(seed)
    plateaus = []
    for size, alpha in alphas.items():
        data = np.repeat(np.array([0.5, 0.75, 1.0, 1.25, 1.5, 2.0]) * 3.6 * size, 3)
        exact = Knee(capacity_bits=alpha * size, sharpness=8.0).predict(data)
        found = fit_plateau(data, exact * (1 + noise * generator.standard_normal(len(data))))
        assert isinstance(found, Plateau)
        plateaus.append((size, found))
    pooled, degrees = points_of(plateaus)
    return fit_slope(pooled, degrees_of_freedom=degrees)


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "scatter"), [(2.2, 0.08), (3.6, 0.08), (3.6, 0.02), (3.6, 0.0)])
def test_sixteen_sizes_that_scatter_have_an_unbiased_and_covered_mean(mean, scatter) -> None:
    sizes = np.geomspace(80_352, 6_860_000, 16).round().astype(int).tolist()
    found, held = [], 0
    for seed in range(200):
        drawn = mean * (1 + scatter * np.random.default_rng([7, seed]).standard_normal(16))
        slope = fitted(dict(zip(sizes, drawn.tolist(), strict=True)), noise=0.01, seed=seed)
        low, high = slope.bits_per_parameter.ends
        found.append(slope.bits_per_parameter.value)
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
    found = [fitted(alphas, noise=0.01, seed=seed).bits_per_parameter.value for seed in range(40)]
    assert np.mean(found) == pytest.approx(np.mean(list(alphas.values())), rel=0.01)
