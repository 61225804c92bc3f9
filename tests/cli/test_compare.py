"""`rote compare`: what differs between two sweeps, and their runs in pairs."""

import json
from pathlib import Path

import pytest
from tests.conftest import MakeSpec
from tests.inprocess import rote
from tests.site.planted import plant

NUM_RUNS = 8


@pytest.fixture(autouse=True)
def _two_sweeps(tmp_path: Path, tiny: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    for name, override in (("short", "budget.max_steps=30"), ("long", "budget.max_steps=40")):
        plant(tmp_path / "outputs", tiny(override), name=name, num_runs=NUM_RUNS)


def test_the_page_the_table_and_the_document_say_the_same(tmp_path: Path) -> None:
    done = rote(tmp_path, "compare", "short", "long")
    assert done.returncode == 0, done.stderr
    assert "budget.max_steps: 30 against 40" in done.stdout
    assert f"{NUM_RUNS} runs match" in done.stdout
    page = tmp_path / "outputs" / "comparisons" / "short-long" / "report.html"
    assert str(page) in done.stdout
    assert "budget.max_steps" in page.read_text()
    document = json.loads(rote(tmp_path, "compare", "short", "long", "--json").stdout)
    assert document["differing"] == {"budget.max_steps": ["30", "40"]}
    assert document["alone"] == {"short": [], "long": []}
    assert len(document["pairs"]) == NUM_RUNS
    # Planted runs memorise the same bits in both: every difference is exactly 0.
    found = {(each["pairs"], each["difference"]) for each in document["metrics"].values()}
    assert found == {(NUM_RUNS, 0.0)}


def test_a_sweep_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = rote(tmp_path, "compare", "short", "lnog")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Did you mean 'long'?" in done.stderr
