"""With --json standard output holds one document, and nothing else is said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.site.planted import plant

from rote.cli.main import main
from rote.ledger.spec import Spec
from rote.ledger.store import Store

SWEEP = """
question: How much?
report: capacity
fixed: {size: demo_s, budget: demo, task.length: 16, task.vocab_size: 64, log: none}
grid:
  product: {task.num_sequences: [10, 20]}
"""
Ask = Callable[..., Any]


@pytest.fixture
def outputs(base: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four runs that look done, the last of them not."""
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    plan = plant(tmp_path, base, name="own", num_runs=4)
    Store(tmp_path).run(plan.run_ids[-1]).record_path.unlink()
    return tmp_path


@pytest.fixture
def ask(outputs: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(*words: str) -> Any:
        assert main([*words, "--json"]) == 0
        told = capsys.readouterr()
        assert told.err == ""
        return json.loads(told.out)

    return asked


def test_collect_tells_the_table_and_what_it_lacks(ask: Ask, outputs: Path) -> None:
    told = ask("collect", "own")
    assert told["table_csv"] == str(outputs / "sweeps" / "own" / "table.csv")
    assert Path(told["table_csv"]).read_text().count("\n") == told["num_rows"] + 1 == 4
    assert told["columns"][0] == "run_id"
    (missing,) = told["missing_run_ids"]
    (sweep,) = ask("status", "own")
    assert [run["run_id"] for run in sweep["runs"] if run["state"] != "done"] == [missing]


def test_report_tells_its_numbers_and_its_page(ask: Ask, outputs: Path) -> None:
    told = ask("report", "own")
    assert (told["num_done"], told["num_runs"]) == (3, 4)
    manifest = json.loads(Path(told["manifest"]).read_text())
    assert told["numbers"] == manifest["numbers"]
    assert told["headlines"] == manifest["headlines"]
    assert Path(told["page"]).is_file()
    site = ask("report", "--all")
    assert (site["num_sweeps"], site["num_runs"]) == (1, 4)
    assert site["num_written"] == site["num_files"]
    assert site["index"] == str(outputs / "site" / "index.html")


def test_a_dry_run_tells_the_whole_bill(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sweeps").mkdir(exist_ok=True)
    (tmp_path / "sweeps" / "two.yaml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    told = ask("sweep", "two", "--dry-run")
    assert (told["num_runs"], told["num_done"]) == (2, 0)
    first, second = told["runs"]
    assert first["overrides"] == {"task.num_sequences": 10}
    assert second["data_bits"] == 20 * 16 * 6  # log2 of 64 symbols
    assert first["parameters"] == second["parameters"]
    assert told["max_flops"] == first["max_flops"] + second["max_flops"]
    assert not (first["is_done"] or second["is_done"])
    steps = first["max_steps"] + second["max_steps"]
    least, most = told["max_gpu_hours"]["H100"]  # a layer: 4.6 ms a step, within a factor of two
    assert (least, most) == pytest.approx((steps * 2.3e-3 / 3600, steps * 9.2e-3 / 3600))


def test_doctor_tells_each_check(ask: Ask) -> None:
    told = {each["name"]: each for each in ask("doctor")}
    assert told["torch"]["is_ok"]
    assert set(told["outputs"]) == {"name", "is_ok", "found", "remedy"}


def test_what_is_done_is_resumed_without_a_word(ask: Ask) -> None:
    assert ask("cancel", "own") == {"name": "own", "cancelled_job_ids": []}
