"""A run's spec.yaml is enough to train that run again, and gives the same record."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import MakeSpec

from rote.ledger.store import Store, read_spec
from rote.run import execute


def rote(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rote", *words],
        cwd=folder, capture_output=True, text=True, env=os.environ | {"ROTE_OUTPUTS": "again"},
    )  # fmt: skip


def test_the_same_record_comes_out(tmp_path: Path, tiny: MakeSpec, store: Store) -> None:
    spec = tiny("seed=3", "optim.optimiser.lr=2e-3")
    record = execute(spec, store)
    shutil.copy(store.run(spec.run_id).path / "spec.yaml", tmp_path / "spec.yaml")
    done = rote(tmp_path, "train", "--spec", "spec.yaml")
    assert done.returncode == 0, done.stderr
    assert f"run {spec.run_id}:" in done.stdout
    assert Store(tmp_path / "again").run(spec.run_id).record() == record


def test_a_file_that_is_no_spec_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("seed: 3\n")
    done = rote(tmp_path, "train", "--spec", "spec.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith("rote: spec.yaml is damaged: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "takes one file" in rote(tmp_path, "train", "--spec").stderr


def test_a_run_that_diverges_is_one_line_and_exit_code_1(tmp_path: Path, tiny: MakeSpec) -> None:
    spec = tiny("optim=adamw", "optim.optimiser.lr=1e12", "budget.max_steps=40")
    Store(tmp_path).run(spec.run_id).begin(spec)
    path = Store(tmp_path).run(spec.run_id).path / "spec.yaml"
    done = rote(tmp_path, "train", "--spec", str(path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"rote: run {spec.run_id}: Diverged: the loss is ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert Store(tmp_path / "again").run(spec.run_id).failure()


def test_a_spec_is_read_back_from_any_yaml_of_it(tmp_path: Path, tiny: MakeSpec) -> None:
    spec = tiny("seed=4")
    Store(tmp_path).run(spec.run_id).begin(spec)
    path = Store(tmp_path).run(spec.run_id).path / "spec.yaml"
    assert read_spec(path) == spec
