"""A planted slope is recovered, and its interval covers it as often as claimed."""

import numpy as np
import pytest

from rote.analysis.fits.plateau import Knee, Plateau
from rote.analysis.fits.slope import (
    CapacityPoint,
    fit_slope,
    fit_slope_with_intercept,
    points_of,
)

SIZES = (5_000, 10_000, 40_000, 200_000)
ALPHA = 3.6


def points(*, intercept_bits: float = 0.0, noises=(0.0,) * 4) -> list[CapacityPoint]:
    return [
        CapacityPoint(
            parameters=size,
            capacity_bits=intercept_bits + ALPHA * size * (1 + noise),
            standard_error_bits=0.02 * ALPHA * size,
        )
        for size, noise in zip(SIZES, noises, strict=True)
    ]


def test_planted_slope_is_recovered() -> None:
    slope = fit_slope(points(), degrees_of_freedom=12)
    assert slope.bits_per_parameter == pytest.approx(ALPHA, rel=1e-3)
    # Four errors of 2 % each, equal in relative terms: 1 % of their weighted mean.
    assert slope.standard_error_bits_per_parameter == pytest.approx(0.01 * ALPHA)
    assert (slope.degrees_of_freedom, slope.intercept_bits) == (12, 0.0)
    assert slope.predict([100, 200]) == pytest.approx([360, 720])


def test_planted_intercept_is_recovered() -> None:
    slope = fit_slope_with_intercept(points(intercept_bits=7_000.0), degrees_of_freedom=12)
    assert slope.bits_per_parameter == pytest.approx(ALPHA, rel=1e-3)
    assert slope.intercept_bits == pytest.approx(7_000.0, rel=1e-3)


@pytest.mark.parametrize("fit", [fit_slope, fit_slope_with_intercept])
@pytest.mark.parametrize("scatter", [0.02, 0.08])  # as the errors say, and four times that
def test_interval_covers_as_claimed(fit, scatter: float) -> None:
    generator = np.random.default_rng(5)
    num_draws, num_covered = 400, 0
    for _ in range(num_draws):
        noises = scatter * generator.standard_normal(len(SIZES))
        low, high = fit(points(noises=noises), degrees_of_freedom=30).interval_bits_per_parameter
        num_covered += low <= ALPHA <= high
    # Scatter known from two or three degrees of freedom alone covers a little less than claimed.
    assert 0.87 <= num_covered / num_draws <= 0.995


def test_scatter_beyond_the_errors_widens_them() -> None:
    slope = fit_slope(points(noises=(0.1, -0.1, 0.1, -0.1)), degrees_of_freedom=30)
    scale = np.sqrt(4 * 5**2 / 3)  # each of four is off by five of its errors
    error = slope.standard_error_bits_per_parameter
    assert error == pytest.approx(scale * 0.01 * ALPHA, rel=0.03)
    assert slope.degrees_of_freedom == pytest.approx(3, rel=0.1)  # four sizes, one unknown


def test_one_size_keeps_the_error_of_its_plateau() -> None:
    slope = fit_slope(points()[:1], degrees_of_freedom=3)
    assert slope.bits_per_parameter == pytest.approx(ALPHA)
    assert slope.standard_error_bits_per_parameter == pytest.approx(0.02 * ALPHA)
    assert slope.degrees_of_freedom == 3


def test_noise_is_pooled_over_sizes() -> None:
    """A size that looks exact by luck must not carry the line alone."""
    lucky, plain = (plateau(relative_noise=noise) for noise in (1e-9, 0.04))
    pooled, degrees = points_of([(1000, lucky), (1000, plain)])
    assert degrees == 4
    assert pooled[0].standard_error_bits == pooled[1].standard_error_bits
    assert pooled[0].standard_error_bits == pytest.approx(plain.standard_error_bits / np.sqrt(2))


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
        ([], 1, "takes 1 distinct"),
        ([CapacityPoint(parameters=0, capacity_bits=1, standard_error_bits=1)], 1, "sizes > 0"),
        ([CapacityPoint(parameters=1, capacity_bits=1, standard_error_bits=0)], 1, "error > 0"),
        ([CapacityPoint(parameters=1, capacity_bits=1, standard_error_bits=1)], 0, "degrees"),
    ],
)
def test_degenerate_input_is_refused(degenerate, degrees: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_slope(degenerate, degrees_of_freedom=degrees)


def test_an_intercept_takes_three_sizes() -> None:
    with pytest.raises(ValueError, match="takes 3 distinct model"):
        fit_slope_with_intercept(points()[:2], degrees_of_freedom=9)
