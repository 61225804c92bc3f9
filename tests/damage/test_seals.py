"""A finished run is covered whole: what is changed of it is named, left out, and trained anew."""

import json
import os
import shutil
from pathlib import Path

import pytest

from rote.cluster.host import Launch, LaunchRequest
from rote.cluster.local import LocalHost
from rote.ledger import seal
from rote.ledger.record import _digest
from rote.ledger.store import RunFolder, Store
from rote.run.execute import execute
from tests.conftest import MakeSpec
from tests.damage import world
from tests.damage.conftest import Rote

SEALED = ("spec.yaml", "curve.jsonl", "arrays.npz", "circumstances.json", "record.json")


def flip(path: Path) -> None:
    world.DAMAGES["flipped"](path)


def unsealed(run: RunFolder) -> None:
    """As the version before left it."""
    content = json.loads(run.record_path.read_text()) | {"version": 2}
    del content["sha256"], content["sealed"]
    run.record_path.write_text(json.dumps({"sha256": _digest(content), **content}))
    (run.path / seal.NAME).unlink()


def test_equal_runs_have_equal_records_and_seals_of_their_own(
    tiny: MakeSpec, tmp_path: Path
) -> None:
    spec = tiny("log.keep_weights=true")
    runs = [Store(tmp_path / name).run(spec.run_id) for name in ("one", "two")]
    for name in ("one", "two"):
        execute(spec, Store(tmp_path / name))
    assert runs[0].record_path.read_bytes() == runs[1].record_path.read_bytes()
    digests = [json.loads((run.path / seal.NAME).read_text())["files"] for run in runs]
    assert set(digests[0]) == {*SEALED, "model.safetensors"}
    differing = {name for name in digests[0] if digests[0][name] != digests[1][name]}
    assert differing == {"circumstances.json"}
    assert [run.damage(thorough=True) for run in runs] == [None, None]


@pytest.mark.parametrize("name", [*SEALED, "model.safetensors", "manifest.json", seal.NAME])
def test_one_changed_byte_of_any_file_is_found(outputs: Path, rote: Rote, name: str) -> None:
    run = world.run_of(outputs, 0)
    assert run.damage() is None
    flip(run.path / name)
    assert name in str(run.damage())
    assert name in rote("collect", "own").err
    assert name in rote("status", "own").out
    assert name in rote("doctor", "--outputs").out
    assert name in rote("compress", run.run_id, "sweeps/own.yaml", "-o", "own.rote").err
    assert f"damaged: {run.run_id}" in rote("resume", "own").out


def test_rot_that_leaves_no_trace_is_found_by_whoever_reads_the_file(
    outputs: Path, rote: Rote
) -> None:
    run = world.run_of(outputs, 0)
    path = run.path / "curve.jsonl"
    flip(path)
    os.utime(path, ns=(0, 0))
    assert "is not what the run wrote" in rote("collect", "own").err
    assert "curve.jsonl" in rote("doctor", "--outputs").out


def test_a_copy_is_as_sound_as_what_was_copied(outputs: Path, rote: Rote) -> None:
    runs = outputs / "runs"
    shutil.copytree(runs, outputs / "copied", copy_function=shutil.copyfile)
    shutil.rmtree(runs)
    (outputs / "copied").rename(runs)
    assert "2 done" in rote("status", "own").out
    assert rote("doctor", "--outputs").code == 0


def test_a_record_of_another_run_does_not_count(outputs: Path) -> None:
    one, two = (world.run_of(outputs, index) for index in (0, 1))
    shutil.rmtree(two.path)
    shutil.copytree(one.path, two.path)
    assert f"belongs to run {one.run_id}" in str(two.damage())


def test_runs_of_the_version_before_are_read(outputs: Path, rote: Rote) -> None:
    run = world.run_of(outputs, 0)
    unsealed(run)
    assert not run.record().sealed
    assert run.damage(thorough=True) is None
    assert rote("collect", "own").code == 0
    (run.path / "arrays.npz").write_bytes(b"x")
    assert "arrays.npz is damaged" in str(run.damage(thorough=True))


def test_a_seal_that_was_taken_away_is_missed(outputs: Path) -> None:
    run = world.run_of(outputs, 0)
    (run.path / seal.NAME).unlink()
    assert "seal.json, which was written before it, is missing" in str(run.damage())


@pytest.mark.parametrize("words", [["sweep", "own", "--mode", "repair"], ["repair", "own"]])
def test_what_is_damaged_is_trained_anew_and_kept_aside(
    outputs: Path, rote: Rote, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    orders: list[LaunchRequest] = []

    def launch(host: LocalHost, order: LaunchRequest) -> Launch:
        orders.append(order)
        return Launch((), len(order.todo), True)

    monkeypatch.setattr(LocalHost, "launch", launch)
    damaged, sound, failed, begun = (world.run_of(outputs, index) for index in range(4))
    flip(damaged.path / "arrays.npz")
    before = {path.name: path.read_bytes() for path in damaged.path.iterdir()}
    rote("resume", "own")
    assert [point.run_id for point in orders[-1].todo] == [begun.run_id]
    rote(*words)
    assert {point.run_id for point in orders[-1].todo} == {damaged.run_id, begun.run_id}
    aside = damaged.path.with_name(f"{damaged.run_id}.1")
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == before
    assert not damaged.path.exists()
    assert sound.is_done()
    assert failed.failure()


def test_what_was_set_aside_is_no_run_of_the_site(outputs: Path, rote: Rote) -> None:
    run = world.run_of(outputs, 0)
    run.path.rename(run.path.with_name(f"{run.run_id}.1"))
    assert "damaged" not in rote("report", "--all").out.replace(str(outputs), "")
    assert rote("compress", run.run_id, "sweeps/own.yaml", "-o", "x").code == 2
