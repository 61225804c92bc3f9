"""A run's spec.yaml is enough to train that run again, and gives the same record."""

import shutil
from pathlib import Path

import pytest
from tests.conftest import MakeSpec
from tests.inprocess import rote
from tests.shared import Shared

from rote.ledger.store import Store, read_spec


@pytest.fixture(autouse=True)
def _outputs_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", "again")


def test_the_same_record_comes_out(tmp_path: Path, tiny: MakeSpec, shared: Shared) -> None:
    spec = tiny()
    run = shared.finished(spec)
    record = run.record()
    shutil.copy(run.path / "spec.yaml", tmp_path / "spec.yaml")
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
