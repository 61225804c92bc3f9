"""The wandb mirror, read back with wandb's own tool and with our reader."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import MakeSpec

from rote.core.units import bits_from_nats
from rote.ledger.store import RunFolder, Store
from rote.run.execute import execute
from rote.tracking.offline import is_complete, read_log, records
from rote.training.training_run import Interrupted


def logs(folder: RunFolder) -> list[Path]:
    return sorted(folder.path.glob("wandb/offline-run-*/*.wandb"))


@pytest.fixture
def mirrored(tiny: MakeSpec, store: Store) -> RunFolder:
    """A finished run with one offline log."""
    spec = tiny("log=offline", "log.group=questions")
    execute(spec, store)
    return store.run(spec.run_id)


def test_an_offline_run_holds_ids_curves_and_summary(mirrored: RunFolder) -> None:
    (file,) = logs(mirrored)
    assert file.name == f"run-{mirrored.run_id}.wandb"
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for expected in (mirrored.run_id, "questions", "memorised_bits", "bits_per_parameter"):
        assert expected in text
    assert json.dumps(mirrored.record().measures["cost"]["train_code_bits"])[:10] in text


def test_our_reader_finds_the_curve(mirrored: RunFolder) -> None:
    (file,) = logs(mirrored)
    rows = read_log(file).rows
    for row, logged in zip(mirrored.curve(), rows, strict=True):
        assert {key: logged[key] for key in row} == row
        assert logged["bits_per_parameter"] == row["memorised_bits"] / 2196
        assert logged["loss_bits_per_token"] == bits_from_nats(row["loss_nats_per_token"])
        assert logged["epochs"] == row["tokens"] / (12 * 8)
    torn = file.with_name("torn.wandb")
    torn.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert read_log(torn).rows == rows[: len(read_log(torn).rows)]
    assert is_complete(file)
    assert not is_complete(torn)
    torn.write_bytes(b"")
    assert read_log(torn).rows == []


def test_every_curve_knows_its_axis_and_its_best(mirrored: RunFolder) -> None:
    (file,) = logs(mirrored)
    metrics = {one.metric.name: one.metric for one in records(file) if one.HasField("metric")}
    losses = {"loss_nats_per_token", "loss_bits_per_token"}
    curves = {*losses, "memorised_bits", "bits_per_parameter", "learning_rate"}
    assert set(metrics) == {"step", "tokens", "epochs"} | curves
    assert {metrics[name].step_metric for name in curves} == {"step"}
    assert {name for name in curves if metrics[name].summary.max} == {
        "memorised_bits", "bits_per_parameter",
    }  # fmt: skip
    assert {name for name in curves if metrics[name].summary.min} == losses
    assert all(metrics[name].summary.last for name in curves)


def test_rows_that_wandb_lost_with_a_killed_process_are_logged_by_the_next(
    tiny: MakeSpec, store: Store
) -> None:
    spec = tiny("log=offline")
    steps = iter(range(100))
    with pytest.raises(Interrupted):
        execute(spec, store, stop=lambda: next(steps) == 24)
    folder = store.run(spec.run_id)
    (file,) = logs(folder)
    while read_log(file).rows:  # as if it had been killed before wandb flushed them
        file.write_bytes(file.read_bytes()[:-100])
    execute(spec, store)
    assert [row["step"] for row in read_log(logs(folder)[-1]).rows] == [10, 20, 30]


def test_a_resumed_run_goes_on_under_its_id_and_repeats_no_step(
    tiny: MakeSpec, store: Store
) -> None:
    spec = tiny("log=offline")
    steps = iter(range(100))
    with pytest.raises(Interrupted):
        execute(spec, store, stop=lambda: next(steps) == 24)
    folder = store.run(spec.run_id)
    (folder.path / "checkpoints").rename(folder.path / "lost")  # it starts again from nothing
    execute(spec, store)
    files = logs(folder)
    assert {file.name for file in files} == {f"run-{spec.run_id}.wandb"}
    logged = [row["step"] for file in files for row in read_log(file).rows]
    assert sorted(logged) == [10, 20, 30]


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.wandb"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="is not a wandb transaction log"):
        read_log(path)


def test_wandb_that_cannot_start_stops_no_run(
    tiny: MakeSpec, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.delitem(sys.modules, "rote.tracking.mirror", raising=False)
    assert execute(tiny("log=offline"), store).training["steps"] == 30
