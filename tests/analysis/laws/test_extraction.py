"""The law of p_z: planted constants, predictions of runs held back, and tables that give p_z."""

from pathlib import Path

import numpy as np
import pytest

from rote.analysis.csv_runs import measured_rows, read_runs
from rote.analysis.laws.kinds import law
from rote.analysis.laws.law import FitEffort, LawData, RunCount
from tests.analysis.laws.planted import QUICK, changed, lacking, published, surface

LAW = law("extraction")
CHECKED = FitEffort(num_resamples=50, profiles=False)


def runs(seed: int = 0, *, by_run: float = 0.05, by_point: float = 0.02) -> LawData:
    """The planted surface with noise that the two points of a run share, and noise of a point."""
    exact = surface("extraction")
    names = ("parameters", "tokens", "epochs")
    settings = np.column_stack([exact[name] for name in names])
    run = np.unique(settings, axis=0, return_inverse=True)[1].ravel()
    random = np.random.default_rng(seed)
    noise = random.normal(0, by_run, run.max() + 1)[run] + random.normal(0, by_point, len(run))
    return changed(
        exact, suffix_token_p=np.minimum(1, exact["suffix_token_p"] * np.exp(noise)), run=run + 1.0
    )


def test_standard_errors_cover_where_points_of_a_run_share_their_noise() -> None:
    """Of 100 draws a true 95 % holds 88 or more in 998 cases of 1,000; 23 degrees of freedom."""
    hits = np.zeros(5)
    for seed in range(100):
        for place, constant in enumerate(LAW.fit(runs(seed), QUICK).constants):
            reach = 2.07 * constant.standard_error / constant.value
            true = getattr(published("extraction"), constant.name)
            hits[place] += abs(np.log(constant.value / true)) <= reach
    assert (hits >= 88).all()


def test_a_point_that_its_run_has_twice_counts_once() -> None:
    measured = runs(by_run=0.0, by_point=0.05)
    once = changed(measured, run=np.arange(1.0, len(measured) + 1))
    twice = once.rows(np.repeat(np.arange(len(once)), 2))
    errors = [
        np.array([constant.standard_error for constant in LAW.fit(each, QUICK).constants])
        for each in (once, twice, lacking(twice, "run"))
    ]
    np.testing.assert_allclose(errors[1], errors[0], rtol=0.05)
    assert (errors[2] < 0.75 * errors[0]).all()  # about 1 / sqrt(2)


def test_the_bootstrap_draws_whole_runs() -> None:
    fitted = LAW.fit(runs(), CHECKED)
    assert "the points of a run are drawn together" in fitted.method
    apart = LAW.fit(lacking(runs(), "run"), CHECKED)
    assert "runs are drawn one by one" in apart.method


def test_runs_that_follow_the_law_are_predicted() -> None:
    """Each of 20 checks fails by chance in about 1 % of cases: three failures are unlikely."""
    warned = 0
    for seed in range(10):
        fitted = LAW.fit(runs(seed, by_run=0.0, by_point=0.05), CHECKED)
        assert [each.split(",")[0] for each in fitted.checks] == [
            "12 points with the largest parameters", "24 points with the largest repeats"
        ]  # fmt: skip
        warned += sum("does not hold" in each for each in fitted.warnings)
    assert warned <= 2


@pytest.mark.parametrize("name", ["parameters", "repeats"])
def test_a_break_beyond_the_fitted_runs_is_found(name: str) -> None:
    """Where an input is largest, nothing more is memorised than at the value before."""
    measured = runs()
    largest = measured[name] == measured[name].max()
    before = np.where(largest, np.unique(measured[name])[-2], measured[name])
    inputs = [before if each == name else measured[each] for each in LAW.inputs]
    bent = changed(measured, suffix_token_p=published("extraction").predict(*inputs))
    (warning,) = (each for each in LAW.fit(bent, CHECKED).warnings if "does not hold" in each)
    assert f"the largest {name}" in warning


def test_a_check_that_cannot_be_made_says_why() -> None:
    measured = runs()
    sizes = np.unique(measured["parameters"])
    two = measured.rows(measured["parameters"] <= sizes[1])
    first, second = LAW.fit(two, CHECKED).checks
    assert "cannot be predicted from the others: law extraction takes 2 or more" in first
    assert "lie inside the 95 % prediction intervals" in second


def test_a_check_without_a_bootstrap_says_why() -> None:
    """Eight runs, two of them the largest: six leave one residual beside five constants."""
    measured, draw = surface("extraction"), np.random.default_rng(1)
    largest = measured["parameters"] == measured["parameters"].max()
    rows = [
        draw.choice(np.flatnonzero(of), n, replace=False) for of, n in ((largest, 2), (~largest, 6))
    ]
    check, _ = LAW.fit(measured.rows(np.concatenate(rows)), CHECKED).checks
    assert check.endswith("from the others: the runs leave one residual beside the constants: no "
                          "bootstrap")  # fmt: skip


def test_p_z_is_a_probability_however_far_the_inputs_lie() -> None:
    curve = published("extraction")
    far = curve.predict(*(np.geomspace(1e-6, 1e30, 50) for _ in range(4)))
    assert ((far >= np.exp(-2.4)) & (far <= 1)).all()
    assert curve.predict(1e30, 1e9, 1, 1) == pytest.approx(1)
    assert curve.predict(1e4, 1e60, 1, 1) == pytest.approx(np.exp(-2.4))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("tokens", 2e6, "tokens / epochs"), ("repeats", 8, "epochs x repeats")],
)
def test_runs_that_do_not_differ_are_refused(name: str, value: float, message: str) -> None:
    measured = runs()
    few = measured.rows((measured["epochs"] == 10) & (measured[name] == value))
    with pytest.raises(ValueError, match=f"differ in {message}"):
        LAW.fit(few, QUICK)


def table(folder: Path, rows: str) -> LawData:
    """Read a table of these rows, the names of the last columns in the first."""
    path = folder / "theirs.csv"
    path.write_text(f"parameters,tokens,epochs,repeats,{rows}\n")
    return measured_rows(read_runs(path, ""), LAW, RunCount.TOTAL)


def test_a_table_of_p_z_gives_the_probability_of_a_token(tmp_path: Path) -> None:
    points = table(tmp_path, "suffix_tokens,p_z\n1e8,1e9,1,1,50,1e-20\n1e8,1e9,4,8,50,1")
    np.testing.assert_allclose(points["suffix_token_p"], [10**-0.4, 1])
    assert "run" not in points.columns


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("suffix_tokens,p_z\n1e8,1e9,1,1,50,1.5", "p_z of run 1 is 1.5"),
        ("suffix_tokens,p_z\n1e8,1e9,1,1,50,0", "p_z of run 1 is 0"),
        ("suffix_tokens,p_z\n1e8,1e9,1,1,0,0.5", "suffix_tokens of"),
        ("p_z\n1e8,1e9,1,1,0.5", "p_z needs suffix_tokens"),
    ],
)
def test_a_table_without_probabilities_is_refused(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table(tmp_path, rows)


def test_a_token_is_not_likelier_than_certain() -> None:
    with pytest.raises(ValueError, match=r"suffix_token_p of run 3 is 1\.5: no such"):
        changed(surface("extraction").rows(np.arange(3)), suffix_token_p=np.array([0.5, 1, 1.5]))
