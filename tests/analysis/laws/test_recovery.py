"""A planted law is recovered from runs without noise, whatever scale the quantities have."""

import numpy as np
import pytest

from rote.analysis.laws.kaplan import Kaplan
from rote.analysis.laws.kinds import law
from rote.analysis.laws.law import FitEffort, FittedLaw, LawCurve
from rote.analysis.laws.parametric import Parametric
from rote.analysis.laws.power import DataCurve, SizeCurve
from rote.analysis.laws.steps import Steps
from tests.analysis.laws.planted import (
    DESIGNS,
    QUICK,
    REFIT,
    SURFACES,
    SYMMETRIC,
    grid,
    levels,
    of,
    published,
    surface,
)


def assert_recovered(fitted: FittedLaw, curve: LawCurve) -> None:
    for constant in fitted.constants:
        assert constant.value == pytest.approx(getattr(curve, constant.name), rel=1e-3)


@pytest.mark.parametrize("name", SURFACES)
def test_constants_without_noise_and_where_they_were_fitted(name: str) -> None:
    measured = surface(name)
    fitted = law(name).fit(measured, QUICK)
    assert_recovered(fitted, published(name))
    assert fitted.goodness.rms_log_residual < 1e-4
    assert fitted.goodness.explained == pytest.approx(1, abs=1e-6)
    assert fitted.goodness.num_constants == len(fitted.constants)
    assert (fitted.law, fitted.output) == (name, law(name).output)
    assert set(fitted.ranges) == set(fitted.inputs)
    for column, (low, high) in fitted.ranges.items():
        assert (low, high) == (measured[column].min(), measured[column].max())
    assert fitted.count is measured.count
    assert fitted.resampled == ()
    with pytest.raises(ValueError, match="without resamples"):
        fitted.interval(*(measured[column] for column in fitted.inputs))


@pytest.mark.parametrize("seed", range(10))
def test_any_parametric_loss_is_found(seed: int) -> None:
    """Exponents from 0.1 to 1.2, terms of any weight, small sizes and the papers'."""
    draw = np.random.default_rng(seed)
    small = draw.uniform(4, 8)
    parameters, tokens = grid(
        np.geomspace(10**small, 10 ** (small + 3), 6), np.geomspace(1e6, 1e10, 6)
    )
    alpha, beta = draw.uniform(0.1, 1.2, 2)
    curve = Parametric(
        E=draw.uniform(0.2, 3),
        A=draw.uniform(0.5, 5) * 10 ** (small * alpha),
        B=draw.uniform(0.5, 5) * 1e6**beta,
        alpha=alpha,
        beta=beta,
    )
    inputs = {"parameters": parameters, "tokens": tokens}
    runs = of(inputs, "loss_nats", curve.predict(parameters, tokens))
    for name in ("parametric", "variable_projection"):
        assert_recovered(law(name).fit(runs, QUICK), curve)


@pytest.mark.parametrize("seed", range(10))
def test_any_kaplan_surface_is_found(seed: int) -> None:
    """At the middle of the design size alone leaves 1.5 to 6 nats, and so do data alone."""
    draw = np.random.default_rng(seed)
    alpha_n, alpha_d = draw.uniform(0.05, 0.4, 2)
    middle = [float(np.exp(np.log(each).mean())) for each in DESIGNS["kaplan"]]
    curve = Kaplan(
        Nc=middle[0] * draw.uniform(1.5, 6) ** (1 / alpha_n),
        Dc=middle[1] * draw.uniform(1.5, 6) ** (1 / alpha_d),
        alpha_N=alpha_n,
        alpha_D=alpha_d,
    )
    size, data = grid(*DESIGNS["kaplan"])
    runs = of({"parameters": size, "unique_tokens": data}, "loss_nats", curve.predict(size, data))
    assert_recovered(law("kaplan").fit(runs, QUICK), curve)


@pytest.mark.parametrize(
    ("name", "curve"),
    [
        ("size", SizeCurve(Nc=1e9, alpha=0.3, E=1.7)),
        ("data", DataCurve(Dc=1e11, alpha=0.3, E=1.7)),
    ],
)
def test_an_irreducible_loss_is_taken_up_where_runs_show_it(
    name: str, curve: SizeCurve | DataCurve
) -> None:
    x = DESIGNS[name][0]
    fitted = law(name).fit(of({law(name).inputs[0]: x}, "loss_nats", curve.predict(x)), QUICK)
    assert "E + " in fitted.formula
    assert_recovered(fitted, curve)


def test_a_pure_power_law_keeps_its_published_form_but_for_chance() -> None:
    """1 % of draws may take up a term that is not there: above 5 of 80 in one case of 5,000."""
    taken = sum(
        len(law("size").fit(surface("size", noise=0.01, seed=seed), QUICK).constants) == 3
        for seed in range(80)
    )
    assert taken <= 5


def test_steps_without_batches_are_taken_as_they_are() -> None:
    curve = Steps(Nc=6.5e13, Sc=2.1e3, alpha_N=0.077, alpha_S=0.76)
    size, steps = grid(*DESIGNS["steps"][:2])
    inputs = {"parameters": size, "steps": steps, "batch_tokens": np.full(len(size), 5e5)}
    fitted = law("steps").fit(of(inputs, "loss_nats", curve.predict(size, steps)), QUICK)
    assert fitted.inputs == ("parameters", "steps")
    assert any("not as S_min" in warning for warning in fitted.warnings)
    assert_recovered(fitted, curve)


def test_an_endless_batch_takes_steps_as_they_are() -> None:
    curve = published("steps")
    plain = Steps(Nc=curve.Nc, Sc=curve.Sc, alpha_N=curve.alpha_N, alpha_S=curve.alpha_S)
    size, steps = np.array([1e6, 1e8]), np.array([1e3, 1e5])
    np.testing.assert_allclose(curve.predict(size, steps), plain.predict(size, steps))
    loss = curve.predict(size, steps, 5e5)
    fewest = steps / (1 + curve.critical_batch(loss) / 5e5)  # S_min
    np.testing.assert_allclose(plain.predict(size, fewest), loss, rtol=1e-10)


def test_unique_data_are_worth_themselves_and_repeats_less() -> None:
    curve = published("repetition")
    plain = Parametric(E=curve.E, A=curve.A, B=curve.B, alpha=curve.alpha, beta=curve.beta)
    small = curve.optimal_parameters(1e9) / 2
    np.testing.assert_allclose(curve.predict(small, 1e9, 1e9), plain.predict(small, 1e9))
    np.testing.assert_allclose(curve.predict(small, 1e9, 1e12), plain.predict(small, 1e9))
    worth = curve.worth(small, np.geomspace(1e9, 1e13, 50), 1e9)[1]
    assert (np.diff(worth) >= 0).all()
    assert (worth <= np.geomspace(1e9, 1e13, 50) * (1 + 1e-12)).all()
    assert worth[-1] == pytest.approx(1e9 * (1 + curve.R_D), rel=1e-6)


def test_a_small_and_a_large_effort_give_the_same_best_fit() -> None:
    runs = surface("parametric", noise=0.01)
    small = law("parametric").fit(runs, QUICK)
    large = law("parametric").fit(runs, FitEffort(num_resamples=10, seed=3))
    assert small.curve == large.curve
    assert large == law("parametric").fit(runs, FitEffort(num_resamples=10, seed=3))
    assert large.resampled != law("parametric").fit(runs, FitEffort(num_resamples=10)).resampled


@pytest.mark.parametrize("name", ["isoflop", "envelope"])
def test_optimal_sizes_of_a_symmetric_loss(name: str) -> None:
    fitted = law(name).fit(levels(), QUICK)
    flops = np.geomspace(1e17, 1e25, 4)
    for found, true in zip(fitted.curve.optimum(flops), SYMMETRIC.optimum(flops), strict=True):
        np.testing.assert_allclose(found, true, rtol=1e-3)
    assert {each.name: each.value for each in fitted.constants}["a"] == pytest.approx(0.5, rel=1e-3)
    assert fitted.warnings == ()
    np.testing.assert_array_equal(fitted.predict(flops), fitted.curve.optimum(flops)[0])


def test_isoflop_exponents_need_no_symmetry() -> None:
    """Sizes about the optimum by the same factors at each level bias the factor alone."""
    fitted = law("isoflop").fit(levels(REFIT), QUICK)
    values = {each.name: each.value for each in fitted.constants}
    assert values["a"] == pytest.approx(REFIT.size_exponent, rel=1e-3)
    assert values["b"] == pytest.approx(REFIT.data_exponent, rel=1e-3)
