"""What a second launch may run again, on this machine: nothing, failures, or all of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cluster.test_sweep_end_to_end import SWEEP, runs, wait_for_rows
from tests.inprocess import rote


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, preloaded_workers: None) -> Path:
    """A sweep of two runs, one of which diverges, launched once."""
    folder = tmp_path_factory.mktemp("modes")
    (folder / "sweeps").mkdir()
    sweep = SWEEP.format(rates="[1e-2, 1e9]").replace("[4, 8, 16]", "[4]")
    (folder / "sweeps" / "two.yaml").write_text(sweep)
    long = sweep.replace("[1e-2, 1e9]", "[1e-2]").replace("max_steps: 60", "max_steps: 20000")
    (folder / "sweeps" / "long.yaml").write_text(long)
    assert rote(folder, "sweep", "two").returncode == 1
    return folder


def failure_time(folder: Path) -> float:
    return float((runs(folder, "two")[1].failure() or {})["time_unix_seconds"])


def test_cached_lists_failures_and_runs_none_of_them(folder: Path) -> None:
    before = failure_time(folder)
    for words in (["sweep", "two"], ["resume", "two"], ["sweep", "two", "--mode", "read-only"]):
        done = rote(folder, *words)
        assert done.returncode == 1
        assert "1 done, 1 failed" in done.stdout
        assert "rote retry two" in done.stdout
    assert failure_time(folder) == before


def test_retry_runs_failures_again(folder: Path) -> None:
    before = failure_time(folder)
    assert rote(folder, "retry", "two").returncode == 1
    assert failure_time(folder) > before


def test_force_moves_old_folders_aside(folder: Path) -> None:
    done, failed = runs(folder, "two")
    before = done.record_path.read_bytes()
    assert rote(folder, "sweep", "two", "--mode", "force").returncode == 1
    for run in (done, failed):
        assert run.path.with_name(f"{run.run_id}.1").is_dir()
    assert done.record_path.read_bytes() == before


def test_an_unknown_mode_is_refused(folder: Path) -> None:
    done = rote(folder, "sweep", "two", "--mode", "cahced")
    assert done.returncode == 2
    assert "Did you mean 'cached'?" in done.stderr


def test_logs_tell_why_a_run_failed(folder: Path) -> None:
    told = rote(folder, "logs", runs(folder, "two")[1].run_id).stdout
    assert "_0_log.err" in told
    assert "failed: Diverged: the loss is" in told
    assert rote(folder, "logs", "nosuchrun").returncode == 2


def test_a_cancelled_local_sweep_keeps_its_checkpoint(folder: Path) -> None:
    words = [sys.executable, "-m", "rote", "sweep", "long"]
    launcher = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True)
    wait_for_rows(folder, "long", 1)
    assert "1 jobs cancelled" in rote(folder, "cancel", "long").stdout
    assert launcher.wait(60) == 1
    run = runs(folder, "long")[0]
    assert not run.is_done()
    assert run.failure() is None
    assert list((run.path / "checkpoints").iterdir())
    life = json.loads((run.path / "worker.json").read_text())
    assert life["step"] == 0
