"""Runs that cannot tell a law are refused in one line that names what is missing."""

import numpy as np
import pytest

from rote.analysis.laws.kinds import law, laws
from rote.analysis.laws.law import FitEffort, LawData
from tests.analysis.laws.planted import QUICK, SURFACES, changed, lacking, levels, of, surface

REGRESSIONS = {
    "parametric": 5, "variable_projection": 5, "size": 2, "data": 2, "kaplan": 4, "overfitting": 4,
    "steps": 6, "repetition": 7, "extraction": 5,
}  # fmt: skip


def runs(name: str) -> LawData:
    return levels() if name in ("isoflop", "envelope") else surface(name)


@pytest.mark.parametrize("name", laws())
def test_each_missing_column_is_named(name: str) -> None:
    measured = runs(name)
    needed = law(name).columns
    assert set(needed) == set(measured.columns) - set(law(name).optional)
    for column in needed:
        with pytest.raises(ValueError, match=f"^column '{column}' is needed"):
            law(name).fit(lacking(measured, column), QUICK)


@pytest.mark.parametrize(("name", "num_constants"), REGRESSIONS.items())
def test_too_few_runs(name: str, num_constants: int) -> None:
    spread = np.linspace(0, len(surface(name)) - 1, num_constants).astype(int)
    few = surface(name).rows(spread)
    with pytest.raises(ValueError, match=f"takes {num_constants + 1} runs or more, got"):
        law(name).fit(few, QUICK)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        (name, column)
        for name in REGRESSIONS
        for column in law(name).inputs[:2]
        if (name, column) != ("extraction", "tokens")  # epochs may vary its data instead
    ],
)
def test_a_single_size_or_data_set(name: str, column: str) -> None:
    measured = surface(name)
    one = measured.rows(np.repeat(np.flatnonzero(measured[column] == measured[column][0]), 8))
    with pytest.raises(ValueError, match=rf"takes \d or more different {column} .* got 1"):
        law(name).fit(one, QUICK)


def test_data_that_are_never_repeated_tell_no_repetition() -> None:
    measured = surface("repetition")
    once = measured.rows(measured["tokens"] <= measured["unique_tokens"])
    with pytest.raises(ValueError, match="takes runs that repeat their data"):
        law("repetition").fit(once, QUICK)


@pytest.mark.parametrize("name", ["isoflop", "envelope"])
def test_too_few_levels(name: str) -> None:
    with pytest.raises(ValueError, match=r"takes 3 levels of FLOPs .* got 2"):
        law(name).fit(levels(flops=np.array([1e18, 1e20])), QUICK)


INSIDE = levels(flops=np.array([1e18, 1e19, 1e20]))


def beside(shares: tuple[float, ...]) -> LawData:
    """Three levels with a minimum inside, and one more of these shares of its optimum."""
    other = levels(flops=np.array([1e21]), shares=shares)
    return changed(INSIDE, **{key: np.append(INSIDE[key], other[key]) for key in INSIDE.columns})


@pytest.mark.parametrize("name", ["isoflop", "envelope"])
def test_minima_outside_the_sizes_are_left_out_and_said(name: str) -> None:
    both = beside((2.0, 4.0, 8.0))
    fitted = law(name).fit(both, QUICK)
    assert fitted.curve == law(name).fit(INSIDE, QUICK).curve
    assert len(fitted.warnings) == 1
    assert "1e+21 FLOPs" in fitted.warnings[0]
    with pytest.raises(ValueError, match=r"got 2; at 1e\+21 FLOPs"):
        law(name).fit(both.rows(both["flops"] > 5e18), QUICK)


def test_levels_of_two_sizes_are_left_out_and_said() -> None:
    fitted = law("isoflop").fit(beside((0.5, 2.0)), QUICK)
    assert fitted.warnings == ("at 1e+21 FLOPs 2 sizes run, and a parabola takes 3",)


def test_flops_within_a_tenth_are_one_level() -> None:
    measured = levels()
    near = np.random.default_rng(0).uniform(1, 1.09, len(measured))
    fitted = law("isoflop").fit(changed(measured, flops=measured["flops"] * near), QUICK)
    assert fitted.goodness.num_points == 5


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_impossible_losses(wrong: float) -> None:
    with pytest.raises(ValueError, match="loss_nats of run 2 is"):
        of({"parameters": np.array([1.0, 2.0])}, "loss_nats", np.array([1.0, wrong]))


def test_membership_says_why_there_is_no_law() -> None:
    measured = surface("membership")
    with pytest.raises(ValueError, match="law membership: no run leaks"):
        law("membership").fit(changed(measured, f1=np.full(len(measured), 0.5)), QUICK)


def test_capacity_says_which_sizes_have_no_plateau() -> None:
    measured = surface("capacity")
    large = measured["parameters"] == measured["parameters"].max()
    below = large & (measured["data_bits"] > 3e6)
    some = law("capacity").fit(measured.rows(~below), QUICK)
    assert any("1e+06 parameters are left out: data-limited" in each for each in some.warnings)
    with pytest.raises(ValueError, match=r"law capacity finds no plateau; 1e.06 parameters are"):
        law("capacity").fit(measured.rows(large & ~below), QUICK)


@pytest.mark.parametrize("name", ["isoflop", "envelope", "membership", "capacity"])
def test_a_law_that_does_not_use_clusters_says_so(name: str) -> None:
    effort = FitEffort(num_resamples=0, profiles=False, clusters="parameters")
    *_, warning = law(name).fit(runs(name), effort).warnings
    assert warning.startswith("clusters of equal parameters are not used")


def test_every_surface_has_a_law() -> None:
    assert {*SURFACES, "isoflop", "envelope"} == set(laws())


def test_one_residual_is_not_resampled() -> None:
    tokens = np.array([1e5, 1e6, 1e7])
    noise = np.array([1.0, 1.01, 1.0])
    measured = of({"unique_tokens": tokens}, "loss_nats", 3 * (tokens / 1e5) ** -0.1 * noise)
    fitted = law("data").fit(measured, FitEffort(num_resamples=20))
    assert not fitted.resampled
    assert all(each.bootstrap_interval is None for each in fitted.constants)
    assert any("no bootstrap" in each for each in fitted.warnings)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "seed"),
    [("overfitting", 1), ("variable_projection", 0), ("repetition", 0), ("repetition", 1)],
)
def test_nine_runs_without_a_law_end_at_bounds(name: str, seed: int) -> None:
    """Losses that are all alike, or in the wrong order: no constant runs to infinity or fails."""
    measured = surface(name)
    loss = measured["loss_nats"][::-1] if seed else np.full(len(measured), 3.0)
    some = np.random.default_rng(seed).choice(len(measured), 9)
    runs = changed(measured, loss_nats=loss).rows(some)
    fitted = law(name).fit(runs, FitEffort(num_resamples=12, seed=seed))
    assert fitted.warnings
    far = [np.array([10 * high]) for _, high in fitted.ranges.values()]
    assert fitted.resampled and np.isfinite(fitted.interval(*far)).all()
