"""Closed forms at published constants give what the papers print."""

import numpy as np
import pytest

from rote.analysis.laws.kaplan import DERIVED, KAPLAN, MOST
from rote.analysis.laws.kinds import law, laws
from rote.analysis.laws.parametric import PUBLISHED, Parametric
from tests.analysis.laws.planted import REFIT, published

HOFFMANN = PUBLISHED["Hoffmann et al. 2022, arXiv 2203.15556"]


def test_hoffmann_exponents() -> None:
    """They print a = 0.46, between 0.454 and 0.455 (80 %), from constants of more digits."""
    assert HOFFMANN.size_exponent == pytest.approx(0.4565, abs=5e-4)
    assert REFIT.size_exponent == pytest.approx(0.3658 / 0.7136)
    assert HOFFMANN.size_exponent + HOFFMANN.data_exponent == pytest.approx(1)


def test_hoffmann_s_constants_are_those_before_rounding() -> None:
    """At the refit's optimum for 1e21 FLOPs the printed digits give 2.334 nats instead of 2.297."""
    printed = Parametric(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    for name, digits in (("E", 2), ("A", 1), ("B", 1), ("alpha", 2)):
        assert round(getattr(HOFFMANN, name), digits) == getattr(printed, name)
    inputs = REFIT.optimum(1e21)
    assert float(printed.predict(*inputs)) == pytest.approx(2.334, abs=5e-4)
    assert float(HOFFMANN.predict(*inputs)) == pytest.approx(2.297, abs=5e-4)


@pytest.mark.parametrize("curve", PUBLISHED.values(), ids=list(PUBLISHED))
def test_the_optimum_is_one(curve) -> None:
    """No other split of 1e21 FLOPs has less loss; the split spends them all."""
    parameters, tokens = curve.optimum(1e21)
    assert 6 * parameters * tokens == pytest.approx(1e21)
    least = curve.predict(parameters, tokens)
    around = parameters * np.geomspace(0.1, 10, 201)
    losses = curve.predict(around, 1e21 / (6 * around))
    assert losses.min() == pytest.approx(least)
    assert losses.argmin() == 100


def test_the_refit_agrees_with_twenty_tokens_a_parameter() -> None:
    """At Chinchilla's 5.76e23 FLOPs, where the first constants say several times as many."""
    for curve, low, high in ((REFIT, 15, 30), (HOFFMANN, 50, 100)):
        parameters, tokens = curve.optimum(5.76e23)
        assert low < tokens / parameters < high


def test_kaplan_data_against_overfitting() -> None:
    curve = KAPLAN.published["Kaplan et al. 2020, arXiv 2001.08361"]
    values = {each.name: each.value(curve) for each in DERIVED}
    assert values["a"] == pytest.approx(0.74, abs=0.005)
    assert values["k"] == pytest.approx(5e3, rel=0.15)
    sizes = np.geomspace(1e5, 1e12, 8)
    data = values["k"] * sizes ** values["a"]
    endless = curve.predict(sizes, 1e40)
    np.testing.assert_allclose(endless, (curve.Nc / sizes) ** curve.alpha_N, rtol=1e-8)
    np.testing.assert_allclose(curve.predict(sizes, data) / endless - 1, MOST, rtol=1e-8)


def test_kaplan_losses() -> None:
    """1.5e9 parameters, 22e9 tokens: about 2.3 nats (figure 4's lower right)."""
    loss = KAPLAN.published["Kaplan et al. 2020, arXiv 2001.08361"].predict(1.5e9, 2.2e10)
    assert 2.2 < loss < 2.5


def test_kaplan_critical_batch_doubles_as_loss_falls_by_13_percent() -> None:
    """Kaplan et al. 2020, section 5.1."""
    curve = published("steps")
    assert curve.critical_batch(1.0) == pytest.approx(2e8)
    assert curve.critical_batch(0.87 * 3) / curve.critical_batch(3.0) == pytest.approx(2, rel=0.05)


def test_muennighoff_optimum_has_twenty_tokens_a_parameter() -> None:
    assert 1e11 / published("repetition").optimal_parameters(1e11) == pytest.approx(20, abs=1)


def test_four_epochs_are_worth_nearly_new_data() -> None:
    """Muennighoff et al. 2023, abstract: with up to 4 epochs loss hardly changes."""
    curve = published("repetition")
    size = curve.optimal_parameters(1e10)
    assert curve.predict(size, 4e10, 1e10) / curve.predict(size, 4e10, 4e10) < 1.01
    assert curve.predict(size, 4e11, 1e10) / curve.predict(size, 4e11, 4e11) > 1.01


def test_every_law_predicts_by_its_published_constants() -> None:
    assert len(laws()) == 13
    for name in laws():
        assert law(name).name == name
        for source, curve in law(name).published.items():
            assert "et al. 20" in source
            assert np.isfinite(curve.predict(*np.full(len(law(name).inputs), 1e6)))


def test_an_unknown_law_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"law 'kaplam' is not known. Did you mean 'kaplan'\?"):
        law("kaplam")
    with pytest.raises(ValueError, match="'regression' is not known"):
        law("regression")
