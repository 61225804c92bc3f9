"""Intervals hold the truth about as often as they say; open ends and weak constants are told.

Full-size numbers are in benchmarks/results/coverage.json. Here 200 draws: for a true 95 % the share
lies within 90.5 and 98.5 % in 996 cases of 1,000.
"""

import numpy as np
import pytest
from scipy.stats import linregress
from scipy.stats import t as student_t

from rote.analysis.laws.kinds import law
from rote.analysis.laws.law import Constant, FitEffort, FittedLaw, LawCurve
from rote.analysis.laws.parametric import Parametric
from tests.analysis.laws.planted import QUICK, changed, grid, levels, of, published, surface
from tests.analysis.laws.test_regression import line_errors

DRAWS = 200
SHARE = (0.905, 0.985)
WIDE = ((6e7, 1.2e10, 12), (5e8, 3e11, 12))  # sizes and tokens: lowest, highest, how many


def all_three(constant: Constant) -> list[tuple[float, float]]:
    return [by_error(constant), constant.profile_interval, constant.bootstrap_interval]


def by_error(constant: Constant) -> tuple[float, float]:
    """Two standard errors of the logarithm, for tens of degrees of freedom."""
    reach = np.exp(2.05 * constant.standard_error / constant.value)
    return constant.value / reach, constant.value * reach


def held(constant: Constant, curve: LawCurve, interval: tuple[float, float] | None) -> bool:
    return bool(interval[0] <= getattr(curve, constant.name) <= interval[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["parametric", "kaplan"])
def test_standard_errors_cover(name: str) -> None:
    hits = np.zeros(len(law(name).fit(surface(name), QUICK).constants))
    for seed in range(DRAWS):
        fitted = law(name).fit(surface(name, noise=0.01, seed=seed), QUICK)
        hits += [held(c, published(name), by_error(c)) for c in fitted.constants]
    assert (hits / DRAWS > SHARE[0]).all()
    assert (hits / DRAWS < SHARE[1]).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["size", "kaplan"])
def test_profiles_and_bootstraps_cover(name: str) -> None:
    effort = FitEffort(num_resamples=100)
    constants = law(name).fit(surface(name), QUICK).constants
    profile, bootstrap = np.zeros(len(constants)), np.zeros(len(constants))
    for seed in range(DRAWS):
        fitted = law(name).fit(surface(name, noise=0.005, seed=seed), effort)
        kept = [each for each in fitted.constants if each.name != "E"]
        profile += [held(c, published(name), c.profile_interval) for c in kept]
        bootstrap += [held(c, published(name), c.bootstrap_interval) for c in kept]
    assert (profile / DRAWS > SHARE[0]).all()
    assert (profile / DRAWS < SHARE[1]).all()
    assert (bootstrap / DRAWS > 0.89).all()  # the ends of 100 resamples are themselves noisy


def test_all_three_kinds_agree_where_runs_tell_much() -> None:
    fitted = law("parametric").fit(surface("parametric", noise=0.003), FitEffort(num_resamples=300))
    for constant in fitted.constants:
        widths = [np.log(high / low) for low, high in all_three(constant)]
        assert max(widths) < 1.5 * min(widths)
    low, high = fitted.interval(1e10, 1e12)
    assert low < fitted.predict(1e10, 1e12) < high


def test_profile_ends_are_where_the_objective_says() -> None:
    """Of a straight line in logarithms: Student's t times the slope's error by HC3."""
    runs = surface("size", noise=0.01)
    alpha = law("size").fit(runs, FitEffort(num_resamples=0)).constants[1]
    x, y = np.log(runs["parameters"]), np.log(runs["loss_nats"])
    line = linregress(x, y)
    error = line_errors(x, y - line.intercept - line.slope * x)[1]
    reach = student_t.ppf(0.975, len(runs) - 2) * error
    assert alpha.value == pytest.approx(-line.slope)
    assert alpha.standard_error == pytest.approx(error)
    assert alpha.profile_interval == pytest.approx((-line.slope - reach, -line.slope + reach), 1e-2)


def test_data_that_never_bind_leave_their_constants_open() -> None:
    """Unique tokens so many that no run feels them: their exponent has no upper end."""
    curve = published("kaplan")
    size, data = grid(np.geomspace(1e4, 1e6, 6), np.geomspace(1e12, 1e15, 4))
    inputs = {"parameters": size, "unique_tokens": data}
    runs = of(inputs, "loss_nats", curve.predict(size, data), noise=0.01)
    fitted = law("kaplan").fit(runs, FitEffort(num_resamples=0))
    _, dc, size_exponent, _ = fitted.constants
    assert dc.name == "Dc"
    assert dc.profile_interval[0] == 0 or dc.profile_interval[1] == np.inf
    assert any("Dc" in each for each in fitted.warnings)
    low, high = size_exponent.profile_interval
    assert 0 < low < 0.076 < high < 0.2


def test_a_loss_without_floor_brings_e_to_its_bound_and_says_so() -> None:
    curve = Parametric(E=1e-12, A=50.0, B=60.0, alpha=0.2, beta=0.2)
    size, data = grid(np.geomspace(1e5, 1e8, 6), [1e7, 1e8, 1e9])
    runs = of({"parameters": size, "tokens": data}, "loss_nats", curve.predict(size, data))
    fitted = law("parametric").fit(runs, FitEffort(num_resamples=0))
    assert fitted.constants[0].value < 1e-4
    assert fitted.constants[0].profile_interval[0] == 0
    assert any(each.startswith("E fell to the least value") for each in fitted.warnings)


def test_wide_designs_are_told_apart_better_than_narrow_ones() -> None:
    curve = published("parametric")

    def fitted(factor: float) -> FittedLaw:
        size, data = grid(*(np.geomspace(x / factor, x * factor, 6) for x in (1e9, 2e10)))
        inputs = {"parameters": size, "tokens": data}
        runs = of(inputs, "loss_nats", curve.predict(size, data), noise=0.005)
        return law("parametric").fit(runs, QUICK)

    wide, narrow = fitted(30.0), fitted(3.0)
    assert any("A and alpha move together" in each for each in narrow.warnings)
    assert any("A is weakly determined" in each for each in narrow.warnings)
    assert not any("weakly told" in each for each in wide.warnings)
    assert len(narrow.warnings) > len(wide.warnings)


def test_huber_shrugs_at_a_diverged_run_and_squares_do_not() -> None:
    runs = surface("parametric", noise=0.003)
    diverged = np.where(np.isin(np.arange(len(runs)), [3, 20]), 1.5, 1.0)
    broken = changed(runs, loss_nats=runs["loss_nats"] * diverged)
    true = published("parametric").size_exponent
    robust = law("parametric").fit(broken, QUICK).curve.size_exponent
    squares = law("variable_projection").fit(broken, QUICK).curve.size_exponent
    assert abs(robust - true) < 0.02 < abs(squares - true)


@pytest.mark.parametrize("name", ["isoflop", "envelope"])
def test_optimal_sizes_carry_the_noise_of_their_levels(name: str) -> None:
    runs = levels(shares=tuple(np.geomspace(0.2, 5, 9)), noise=0.002)
    fitted = law(name).fit(runs, FitEffort(num_resamples=200))
    for constant in fitted.constants:
        assert constant.bootstrap_interval[0] < constant.bootstrap_interval[1]
        assert constant.standard_error is not None
    low, high = fitted.interval(np.array([1e20, 1e25]))
    assert (low < high).all()
    assert high[1] / low[1] > high[0] / low[0]  # an extrapolation is less sure


@pytest.mark.slow
def test_isoflop_exponents_lie_in_their_intervals() -> None:
    """a is 1 / 2 for alpha = beta. 100 draws; by chance alone below 87 in one case of 1,000."""
    profile, bootstrap = 0, 0
    for seed in range(100):
        runs = levels(shares=tuple(np.geomspace(0.2, 5, 9)), noise=0.005, seed=seed)
        exponent = law("isoflop").fit(runs, FitEffort(num_resamples=60)).constants[1]
        profile += exponent.profile_interval[0] < 0.5 < exponent.profile_interval[1]
        bootstrap += exponent.bootstrap_interval[0] < 0.5 < exponent.bootstrap_interval[1]
    assert profile >= 87
    assert bootstrap >= 85  # the ends of 60 resamples are themselves noisy


def test_membership_and_capacity_carry_the_intervals_of_their_fits() -> None:
    runs = surface("membership")
    f1 = np.clip(runs["f1"] + np.random.default_rng(0).normal(0, 0.01, len(runs)), 0, 1)
    noisy = {"membership": changed(runs, f1=f1), "capacity": surface("capacity", noise=0.01)}
    for name, measured in noisy.items():
        fitted = law(name).fit(measured, FitEffort(num_resamples=200))
        first = fitted.constants[0]
        assert first.standard_error is not None
        assert held(first, published(name), first.bootstrap_interval)
        x = [np.array([high]) for _, high in fitted.ranges.values()]
        low, high = fitted.interval(*x)
        assert low <= fitted.predict(*x) <= high


def test_more_noise_gives_wider_intervals_and_as_many_refits_as_asked() -> None:
    effort = FitEffort(num_resamples=50, profiles=False)
    widths = []
    for noise in (0.001, 0.01):
        fitted = law("parametric").fit(surface("parametric", noise=noise), effort)
        assert len(fitted.resampled) == 50
        assert all(each.profile_interval is None for each in fitted.constants)
        derived = {each.name: each for each in fitted.derived}["a"]
        widths.append(derived.bootstrap_interval[1] - derived.bootstrap_interval[0])
    assert widths[1] > 3 * widths[0]


@pytest.mark.slow
def test_all_three_kinds_cover_noise_that_is_not_alike() -> None:
    """Residuals that grow as tokens get few, and of which a few lie far off; their signs are drawn.

    Of E, B and beta pooled residuals and one density for all runs held the truth in 34-39 %
    (bootstrap), 42-76 % (errors) and 58-79 % (profiles). What is left of errors and profiles is
    to first order only. By chance alone a true 95 % falls below 0.90 in one case of 1,000.
    """
    curve = published("parametric")
    size, data = grid(*(np.geomspace(*ends) for ends in WIDE))
    random = np.random.default_rng(0)
    sizes = 0.004 * np.abs(random.standard_t(3, len(size))) * (2e9 / np.minimum(data, 2e9)) ** 1.5
    hits = np.zeros((3, 5))
    for seed in range(DRAWS):
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], len(size))
        inputs = {"parameters": size, "tokens": data}
        runs = of(inputs, "loss_nats", curve.predict(size, data) * np.exp(signs * sizes))
        fitted = law("parametric").fit(runs, FitEffort(num_resamples=200, seed=seed))
        for k, constant in enumerate(fitted.constants):
            hits[:, k] += [held(constant, curve, each) for each in all_three(constant)]
    assert (hits[2] / DRAWS >= 0.9).all()
    assert (hits / DRAWS >= 0.86).all()
