"""A planted limit comes out of a few budgets, its interval covers it, and doubt is said."""

import numpy as np
import pytest

from rote.analysis.fits.budget import BudgetCurve, Limit, fit_limits
from rote.analysis.fits.search import NoFit

BUDGETS = 1000 * 2.0 ** np.arange(3)
LIMIT_BITS = 10_000.0


def planted(
    exponent: float, *, num_curves: int = 5, noise: float = 0.0, seed: int = 0, budgets=BUDGETS
) -> list[BudgetCurve]:
    """Data sets with limits of 1, 1.3, 1.6 ... times 10,000 bits, of which the first budget lacks a
    fifth."""
    generator = np.random.default_rng(seed)
    limits = LIMIT_BITS * (1 + 0.3 * np.arange(num_curves))
    missing = 0.2 * (budgets / budgets[0]) ** -exponent
    shape = (num_curves, len(budgets))
    bits = limits[:, None] * (1 - missing) * (1 + noise * generator.standard_normal(shape))
    return [BudgetCurve(budgets=budgets.tolist(), bits=row.tolist()) for row in bits]


def limits_of(curves: list[BudgetCurve], **options) -> list[Limit]:
    found = fit_limits(curves, **options)
    assert all(isinstance(each, Limit) for each in found), found
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("exponent", [0.25, 0.5, 1.0, 2.0])
def test_an_exact_curve_gives_its_limit(exponent: float) -> None:
    for found, planted_curve in zip(limits_of(planted(exponent)), planted(exponent), strict=True):
        largest = planted_curve.bits[-1]
        missing = 0.2 * 4**-exponent
        assert found.bits == pytest.approx(largest / (1 - missing), rel=1e-6)
        assert found.exponent == pytest.approx(exponent, rel=1e-5)
        assert found.gain_bits == pytest.approx(found.bits - largest, rel=1e-5)
        assert found.interval_bits == pytest.approx((found.bits, found.bits), rel=1e-6)
        ratios = np.array(planted_curve.budgets) / planted_curve.budgets[-1]
        np.testing.assert_allclose(found.predict(ratios), planted_curve.bits, rtol=1e-6)


@pytest.mark.parametrize(("exponent", "noise"), [(0.3, 0.0005), (0.5, 0.001), (1.0, 0.005)])
def test_the_interval_covers_as_claimed(exponent: float, noise: float) -> None:
    """And that of a budget held back, of which the bits without noise are known."""
    held = 1 - 0.2 * 8**-exponent
    num_draws, covered, covered_held = 80, 0, 0
    for seed in range(num_draws):
        curves = planted(exponent, noise=noise, seed=seed)
        low, high = limits_of(curves)[0].interval_bits
        covered += low <= LIMIT_BITS <= high
        low, high = limits_of(curves, at_budget=8000)[0].interval_bits
        covered_held += low <= held * LIMIT_BITS <= high
    # 3 standard deviations of a share of 0.95 of 80 are 0.073.
    assert covered / num_draws >= 0.88 and covered_held / num_draws >= 0.88


def test_the_largest_budget_is_predicted_from_the_smaller_ones() -> None:
    budgets = 1000 * 2.0 ** np.arange(5)
    curves = planted(0.5, noise=0.001, seed=3, budgets=budgets)
    smaller = [BudgetCurve(budgets=c.budgets[:4], bits=c.bits[:4]) for c in curves]
    for found, curve in zip(limits_of(smaller, at_budget=budgets[-1]), curves, strict=True):
        low, high = found.interval_bits
        assert low - 0.002 * curve.bits[-1] < curve.bits[-1] < high + 0.002 * curve.bits[-1]
        assert high - low < 0.02 * curve.bits[-1]


def test_a_limit_takes_two_more_measurements_than_unknowns() -> None:
    """Three budgets of one curve have none more, of two one, of three two."""
    for num_curves, told in ((1, "3 measurements of 3"), (2, "6 measurements of 5")):
        for found in fit_limits(planted(0.5, num_curves=num_curves)):
            assert isinstance(found, NoFit) and f"no interval: {told}" in found.reason
    limits_of(planted(0.5, num_curves=3))
    limits_of(planted(0.5, num_curves=1, budgets=1000 * 2.0 ** np.arange(5)))


def test_a_limit_is_never_above_all_that_can_be_memorised() -> None:
    ceiling = 0.97 * LIMIT_BITS
    bounded = [
        BudgetCurve(budgets=c.budgets, bits=c.bits, ceiling_bits=ceiling)
        for c in planted(0.5, noise=0.002)
    ]
    found = limits_of(bounded)[0]
    assert found.bits == found.interval_bits[1] == ceiling


@pytest.mark.parametrize(
    ("budgets", "bits", "reason"),
    [
        ([1, 2], [[8.0, 9.0]], "takes 3 budgets"),
        ([1, 2, 4], [[8.0, 8.5, 9.0]] * 3, "without an end"),  # every doubling gains the same
        ([1, 2, 4], [[8.0, 8.5, 9.1]] * 3, "without an end"),
        ([1, 2, 4], [[9.0, 8.0, 8.0]] * 3, "do not grow"),
        # Noise of a tenth of the gain: three curves exclude nothing.
        ([1, 2, 4], [[8.0, 8.4, 8.6], [8.1, 8.3, 8.7], [8.0, 8.5, 8.6]], "without an end"),
        # Bits per parameter of a real run after so many evaluations of L-BFGS.
        ([74, 300, 1070], [[3.004, 3.157, 3.293]] * 3, "without an end"),
    ],
)
def test_what_has_no_limit_says_why(
    budgets: list[float], bits: list[list[float]], reason: str
) -> None:
    for found in fit_limits([BudgetCurve(budgets=budgets, bits=one) for one in bits]):
        assert isinstance(found, NoFit) and reason in found.reason


@pytest.mark.parametrize(
    ("budgets", "bits"), [([0, 1, 2], [1, 2, 3]), ([1, 2], [1, 2, 3]), ([1, 2, 3], [1, np.nan, 2])]
)
def test_what_is_no_curve_is_refused(budgets: list[float], bits: list[float]) -> None:
    with pytest.raises(ValueError, match="a limit needs budgets > 0"):
        fit_limits([BudgetCurve(budgets=budgets, bits=bits)])


def test_a_budget_within_the_measured_ones_is_no_extrapolation() -> None:
    with pytest.raises(ValueError, match="budget 2000 is no extrapolation"):
        fit_limits(planted(0.5), at_budget=2000)
