"""A real sweep through the real command: workers, failures, a second launch, table, report."""

import json
import time
from pathlib import Path

import polars as pl
import pytest
from tests.inprocess import rote

from rote.cluster.plan import load_plan
from rote.ledger.store import RunFolder, Store

SWEEP = """
question: Does it all fit together?
report: capacity
fixed:
  size: demo_s
  task.length: 8
  task.vocab_size: 16
  task.num_heldout_sequences: 4
  budget: demo
  budget.max_steps: 60
  budget.check_every_steps: 20
  log: none
  host.accelerator: cpu
  optim.clip_norm: null
grid:
  product:
    task.num_sequences: [4, 8, 16]
    optim.optimiser.lr: {rates}
"""


def runs(folder: Path, name: str) -> list[RunFolder]:
    outputs = folder / "outputs"
    return [Store(outputs).run(run_id) for run_id in load_plan(outputs, name).run_ids]


def wait_for_rows(folder: Path, name: str, number: int) -> None:
    """Until so many runs of the sweep have taken a stride."""
    deadline = time.monotonic() + 90
    plan = folder / "outputs" / "sweeps" / name / "plan.json"
    while (
        not plan.exists() or sum(run.last_row() is not None for run in runs(folder, name)) < number
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which one sweep of six points has been launched; three of them diverge.

    Its worker is a real one, started through submitit in an interpreter of its own.
    """
    folder = tmp_path_factory.mktemp("swept")
    (folder / "sweeps").mkdir()
    (folder / "sweeps" / "mixed.yaml").write_text(SWEEP.format(rates="[1e-2, 1e9]"))
    (folder / "sweeps" / "sound.yaml").write_text(SWEEP.format(rates="[1e-2]"))
    done = rote(folder, "sweep", "mixed")
    assert done.returncode == 1, done.stdout + done.stderr
    return folder, done.stdout


def test_one_failing_point_stops_no_other_and_all_are_listed(swept: tuple[Path, str]) -> None:
    _, output = swept
    assert "mixed: 3 done, 3 failed" in output
    lines = [line for line in output.splitlines() if line.startswith("failed: ")]
    assert len(lines) == 3
    assert all("lr=1000000000.0: Diverged: the loss is" in line for line in lines)


def test_what_is_done_is_never_run_again(swept: tuple[Path, str]) -> None:
    folder, _ = swept
    records = {p: p.stat().st_mtime_ns for p in (folder / "outputs").glob("runs/*/record.json")}
    assert len(records) == 3
    done = rote(folder, "sweep", "sound")
    assert done.returncode == 0, done.stderr
    assert "all 3 runs are done: nothing to train" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in records} == records
    native = rote(folder, "train", "-m", "+sweep=sound")
    assert native.returncode == 0, native.stderr
    assert "all 3 runs are done: nothing to train" in native.stdout


def test_status_tells_each_run(swept: tuple[Path, str]) -> None:
    folder, _ = swept
    output = rote(folder, "status", "mixed").stdout
    assert output.count(" done ") == 3
    assert output.count("Diverged") == 3


def test_the_table_is_typed_and_whole(swept: tuple[Path, str]) -> None:
    folder, _ = swept
    assert rote(folder, "collect", "mixed").returncode == 0
    table = pl.read_parquet(folder / "outputs" / "sweeps" / "mixed" / "table.parquet")
    assert table.height == 3
    assert sorted(table["task.num_sequences"]) == [4, 8, 16]
    assert table.schema["optim.optimiser.lr"] == pl.Float64
    assert table.schema["training.converged"] == pl.Boolean
    csv = pl.read_csv(folder / "outputs" / "sweeps" / "mixed" / "table.csv")
    assert csv.columns == table.columns


def test_the_report_is_there_with_its_manifest(swept: tuple[Path, str]) -> None:
    folder, _ = swept
    done = rote(folder, "report", "mixed")
    assert done.returncode == 0, done.stderr
    assert "3 of 6 runs are not in it" in done.stdout
    report = folder / "outputs" / "reports" / "mixed"
    manifest = json.loads((report / "manifest.json").read_text())
    ids = {path.parent.name for path in (folder / "outputs").glob("runs/*/record.json")}
    assert ids <= set(json.dumps(manifest).split('"'))
    assert "Does it all fit together?" in (report / "report.html").read_text()


def test_another_kind_of_report_stands_beside_the_sweeps_own(swept: tuple[Path, str]) -> None:
    folder, _ = swept
    done = rote(folder, "report", "mixed", "--kind", "controls")
    assert done.returncode == 0, done.stderr
    page = folder / "outputs" / "reports" / "mixed-controls" / "report.html"
    assert "What each control saves" in page.read_text()
    wrong = rote(folder, "report", "mixed", "--kind", "control")
    assert wrong.returncode == 2
    assert "report" in wrong.stderr and "controls" in wrong.stderr


def test_a_damaged_record_is_named_and_stops_no_other_run(swept: tuple[Path, str]) -> None:
    folder, _ = swept
    path = next((folder / "outputs").glob("runs/*/record.json"))
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    done = rote(folder, "sweep", "sound")
    path.write_bytes(whole)
    assert done.returncode == 1
    assert "sound: 2 done, 1 damaged" in done.stdout
    assert "rote repair sound" in done.stdout
    assert f"{path} is damaged" in done.stdout + done.stderr


def test_a_dry_run_prints_the_bill_and_starts_nothing(swept: tuple[Path, str]) -> None:
    folder, _ = swept
    done = rote(folder, "sweep", "demo", "--dry-run", "log=none")
    assert done.returncode == 0, done.stderr
    assert "9 runs, 0 done before; at most" in done.stdout
    assert done.stdout.count("width=12") == 3
    assert "3,064" in done.stdout
    assert not (folder / "outputs" / "sweeps" / "demo").exists()


def test_hydras_multirun_runs_a_grid_of_the_command_line(
    tmp_path: Path, preloaded_workers: None
) -> None:
    folder = tmp_path
    fixed = ["task.length=8", "task.vocab_size=16", "task.num_sequences=4", "budget=demo"]
    few = ["budget.max_steps=20", "budget.check_every_steps=20", "log=none", "host.accelerator=cpu"]
    done = rote(
        folder, "train", "-m", "size=demo_s,demo_m", "precision=fp32,bf16_mixed", *fixed, *few
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("4 done")
    assert not list(folder.glob("multirun*")), "Hydra's own folders are not used"
