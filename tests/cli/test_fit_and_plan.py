"""`rote fit` of a CSV and `rote plan`, in process: what is printed, and what is left on disk."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rote.analysis.laws.parametric import Parametric
from rote.cli.main import main

LAW = Parametric(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Run:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def runs_csv(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    lines = ["N,D,loss"]
    for size, tokens in itertools.product(np.geomspace(1e7, 1e10, 6), np.geomspace(1e9, 1e12, 6)):
        loss = float(LAW.predict(size, tokens)) * (1 + 0.003 * random.standard_normal())
        lines.append(f"{size / 1e6:.9g},{tokens:.9g},{loss:.9g}")
    path = tmp_path / "grid.csv"
    path.write_text("\n".join(lines))
    return path


def test_a_csv_is_fitted_and_left_as_page_figure_and_numbers(
    rote: Run, runs_csv: Path, tmp_path: Path
) -> None:
    columns = "parameters=N*1e6,tokens=D,loss_nats=loss"
    code, out, _ = rote(
        "fit", str(runs_csv), "--law", "parametric", "--columns", columns, "--resamples", "100"
    )
    assert code == 0
    assert "L = E + A / N^alpha + B / D^beta" in out
    (folder,) = (tmp_path / "outputs" / "fits").glob("grid-????????")
    assert f"{folder / 'fit.html'}" in out
    assert {path.name for path in folder.iterdir()} == {
        "fit.html", "fit.json", "tables.tex",
        "fit-parametric.svg", "fit-parametric.png", "fit-parametric.csv",
    }  # fmt: skip
    constants = json.loads((folder / "fit.json").read_text())["parametric"]["constants"]
    low, high = constants["alpha"]["bootstrap_interval"]
    assert low < constants["alpha"]["value"] < high < 2 * LAW.alpha
    assert constants["alpha"]["value"] == pytest.approx(LAW.alpha, rel=0.05)
    assert "<svg" in (folder / "fit.html").read_text()


def test_the_command_on_the_page_is_quoted_and_escaped(
    rote: Run, runs_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["fit", str(runs_csv), "--law", "size", "--resamples", "0"]
    words += ["--columns", "parameters=N*1e6,loss_nats=loss"]
    monkeypatch.setattr("sys.argv", ["rote", *words, "<b> & more"])
    assert rote(*words)[0] == 0
    (made,) = (tmp_path / "outputs" / "fits").glob("grid-*/fit.html")
    page = made.read_text()
    assert "&#39;&lt;b&gt; &amp; more&#39;" in page
    assert "<b> & more" not in page


def test_a_law_that_explains_little_claims_nothing(rote: Run, tmp_path: Path) -> None:
    """Losses that have nothing to do with the size."""
    losses = 2.5 + 0.1 * np.random.default_rng(0).standard_normal(12)
    lines = [f"{10 ** (6 + row / 4):.6g},{loss}" for row, loss in enumerate(losses)]
    path = tmp_path / "chance.csv"
    path.write_text("\n".join(["N,loss", *lines]))
    words = ["fit", str(path), "--law", "size", "--columns", "parameters=N,loss_nats=loss"]
    assert rote(*words, "--resamples", "20")[0] == 0
    (made,) = (tmp_path / "outputs" / "fits").glob("chance-*/fit.html")
    page = made.read_text()
    assert "size, 12 points: explains" in page and "so that its constants say little" in page
    assert "12 points: alpha" not in page
    path.write_text("\n".join(["N,loss", lines[0]]))
    code, _, err = rote(*words)
    assert code == 2 and "takes 3 runs or more, got 1" in err


def test_the_best_size_of_each_budget_has_a_figure(rote: Run, tmp_path: Path) -> None:
    lines = ["N,D,C,loss"]
    for flops, share in itertools.product((1e18, 3e18, 1e19), (0.3, 0.5, 0.8, 1.2, 2, 3)):
        size = share * float(LAW.optimum(flops)[0])
        tokens = flops / 6 / size
        lines.append(f"{size:.9g},{tokens:.9g},{flops},{float(LAW.predict(size, tokens)):.9g}")
    path = tmp_path / "budgets.csv"
    path.write_text("\n".join(lines))
    columns = "parameters=N,tokens=D,flops=C,loss_nats=loss"
    words = ("fit", str(path), "--law", "isoflop", "--columns", columns, "--resamples", "5")
    assert rote(*words)[0] == 0
    (page,) = (tmp_path / "outputs" / "fits").glob("budgets-*/fit.html")
    assert "the size with the lowest loss" in page.read_text()
    assert "loss over size, a line for each budget" in page.read_text()


def test_without_a_law_each_that_the_columns_tell_is_fitted(rote: Run, runs_csv: Path) -> None:
    columns = "parameters=N*1e6,tokens=D,loss_nats=loss"
    code, out, _ = rote("fit", str(runs_csv), "--columns", columns, "--resamples", "0", "--json")
    assert code == 0
    assert {"parametric", "variable_projection", "size"} <= set(json.loads(out)["laws"])


def test_plan_answers_a_budget_on_a_page_and_in_json(rote: Run, tmp_path: Path) -> None:
    code, out, _ = rote("plan", "--flops", "1e21")
    assert code == 0
    assert "For 1e21 FLOPs: 2.78B parameters on 60B tokens" in out
    (folder,) = (tmp_path / "outputs" / "plans").glob("published-????????")
    content = json.loads((folder / "plan.json").read_text())
    assert content["optimum_parameters"] == pytest.approx(float(LAW.optimum(1e21)[0]), rel=1e-3)
    code, out, _ = rote("plan", "--flops", "1e21", "--json")
    assert json.loads(out) == {"page": str(folder / "plan.html"), **content}


def test_clusters_are_drawn_together_or_refused(rote: Run, runs_csv: Path) -> None:
    """Six sizes by six numbers of tokens lie on eleven lines of equal FLOPs."""
    columns = "parameters=N*1e6,tokens=D,loss_nats=loss"
    words = ("fit", str(runs_csv), "--law", "parametric", "--columns", columns, "--resamples", "20")
    code, alone, _ = rote(*words)
    code, together, _ = rote(*words, "--clusters", "flops")
    assert code == 0
    assert "runs are drawn one by one" in alone
    assert "runs of equal flops are drawn together" in together
    code, _, err = rote(*words, "--clusters", "tokens")
    assert code == 2
    assert "6 clusters of equal tokens, and 5 constants take 7" in err


def test_another_question_leaves_the_page_of_the_first_alone(
    rote: Run, runs_csv: Path, tmp_path: Path
) -> None:
    def page(*words: str) -> str:
        code, out, _ = rote(*words, "--json")
        assert code == 0
        return str(json.loads(out)["page"])

    def fitted(*words: str) -> str:
        return page("fit", str(runs_csv), "--law", "size", "--resamples", "0", *words)

    columns = ("--columns", "parameters=N*1e6,loss_nats=loss")
    asked = [
        fitted(*columns),
        fitted("--columns", "parameters=N*1e6,loss_nats=loss*2"),
        fitted(*columns, "--count", "non-embedding"),
        page("plan", "--flops", "1e21"),
        page("plan", "--flops", "1e22"),
    ]
    assert len(set(asked)) == len(asked)
    assert fitted(*columns) == asked[0]
    assert page("plan", "--flops", "1000e18") == asked[3]
    runs_csv.write_text(runs_csv.read_text().rpartition("\n")[0])
    assert fitted(*columns) not in asked  # of that name, but other runs
