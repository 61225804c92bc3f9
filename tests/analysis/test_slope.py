"""Mean bits per parameter of several sizes: planted means are found without bias, and covered."""

import numpy as np
import pytest

from rote.analysis.fits.plateau import Knee, Plateau, fit_plateau
from rote.analysis.fits.random_effects import fit_slope
from rote.analysis.published import PUBLISHED_ALPHAS, TABLE

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
    between = slope.between
    assert (slope.degrees, between and between.value) == (3, 0.0)


def test_a_size_that_holds_less_weighs_no_more() -> None:
    """Equal relative errors: the plain mean of 0.8, 0.8, 1.2 and 1.2 is 1."""
    slope = fit_slope(plateaus(-0.2, -0.2, 0.2, 0.2))
    assert slope.mean.value == pytest.approx(ALPHA)


def test_scatter_beyond_the_errors_is_the_spread_between_sizes() -> None:
    """Deviations of 10 % about the mean: variance 4/3 of their square, the errors' taken off."""
    slope = fit_slope(plateaus(0.1, -0.1, 0.1, -0.1))
    between = slope.between
    expected = ALPHA * np.sqrt(0.1**2 * 4 / 3 - 0.02**2)
    assert between is not None and between.value == pytest.approx(expected)
    error = ALPHA * np.sqrt(0.1**2 / 3)
    assert slope.standard_error == pytest.approx(error)


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
        assert isinstance(one, Plateau)
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
