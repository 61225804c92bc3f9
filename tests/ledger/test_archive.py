"""Runs in shards are read as runs in folders, and no interruption loses one."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.ledger.test_store import RECORD

from rote.cluster.launching import _set_aside
from rote.core.progress import no_progress
from rote.io.read import Damaged
from rote.ledger import archive, packing
from rote.ledger.store import RunFolder, Store

IDS = [f"{number:016x}" for number in range(5)]


def finish(run: RunFolder) -> None:
    run.path.mkdir(parents=True)
    run.spec_path.write_text("what: {}\n")
    run.append({"step": 1, "memorised_bits": 2.5})
    (run.path / "wandb").mkdir()
    (run.path / "wandb" / "run.wandb").write_bytes(b"\0\1")
    around = {
        "device": "cpu", "setup_seconds": 1.0, "train_seconds": 2.0, "measure_seconds": 0.5,
        "peak_memory_bytes": 1, "stacked": 1,
    }  # fmt: skip
    run.finish(replace(RECORD, run_id=run.run_id), {"cost.train": np.arange(3.0)}, around)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Five finished runs; two fit into a shard."""
    monkeypatch.setattr(packing, "RUNS_OF_A_SHARD", 2)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("os.sync", lambda: None)
    store = Store(tmp_path / "outputs")
    for run_id in IDS:
        finish(store.run(run_id))
    return store


def contents(store: Store) -> dict[str, tuple[str, int]]:
    """Digest and time of each file of the runs."""
    folder = store.outputs / "runs"
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def pack(store: Store) -> packing.Moved:
    return packing.pack(store, "many", IDS, no_progress)


def restore(store: Store) -> packing.Moved:
    return packing.restore(store, "many", no_progress)


def read_all(store: Store) -> list[object]:
    return [
        (run.is_done(), run.damage(), run.record(), run.curve(), run.circumstances(),
         run.arrays()["cost.train"].tolist(), archive.sha256_of(run.record_path))
        for run in map(store.run, IDS)
    ]  # fmt: skip


def test_packed_runs_are_read_as_before_and_take_two_inodes_a_shard(
    runs: Store,
) -> None:
    before, read = contents(runs), read_all(runs)
    num_inodes = sum(1 for _ in runs.outputs.rglob("*"))
    assert pack(runs) == (5, [])
    assert not any((runs.outputs / "runs").iterdir())
    shards = [path for path in (runs.outputs / "archives").iterdir() if path.name != "lock"]
    assert len(shards) == 2 * 3
    assert (num_inodes, len(before)) == (46, 35)
    assert read_all(runs) == read
    assert [run.run_id for run in runs.runs()] == IDS
    assert all(run.damage(thorough=True) is None for run in runs.runs())


def test_restored_runs_equal_those_that_were_packed_bit_for_bit(runs: Store) -> None:
    before = contents(runs)
    pack(runs)
    assert restore(runs) == (5, [])
    assert contents(runs) == before
    assert [path.name for path in (runs.outputs / "archives").iterdir()] == ["lock"]
    assert restore(runs) == (0, [])


class Killed(BaseException):
    """Ends a call where a signal would."""


@pytest.mark.parametrize("act", [pack, restore])
@pytest.mark.parametrize(
    "step", ["pathlib.Path.unlink", "pathlib.Path.replace", "shutil.rmtree", "os.utime"]
)
def test_a_call_that_is_killed_at_any_step_loses_nothing(
    runs: Store, monkeypatch: pytest.MonkeyPatch, act: Callable[[Store], object], step: str
) -> None:
    before, read = contents(runs), read_all(runs)
    if act is restore:
        pack(runs)
    for number in range(100):
        if not killed_at(monkeypatch, step, number, lambda: act(runs)):
            break
        assert read_all(runs) == read
        if act is restore and not list((runs.outputs / "archives").glob("*.zip")):
            break
    assert number or (act, step) in ((pack, "os.utime"), (restore, "shutil.rmtree"))
    pack(runs)
    assert read_all(runs) == read
    restore(runs)
    assert contents(runs) == before


def killed_at(
    monkeypatch: pytest.MonkeyPatch, step: str, number: int, act: Callable[[], object]
) -> bool:
    """Whether the call was killed before this step was taken for so manieth time."""
    with monkeypatch.context() as patched:
        module, _, name = step.rpartition(".")
        owner = Path if module == "pathlib.Path" else __import__(module)
        real, left = getattr(owner, name), [number]

        def once(*words: object, **keys: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*words, **keys)

        patched.setattr(owner, name, once)
        try:
            act()
        except Killed:
            return True
        return False


def test_a_run_with_weights_or_not_done_or_damaged_or_held_stays_a_folder(runs: Store) -> None:
    runs.run(IDS[0]).weights_path.write_bytes(b"weights")
    runs.run(IDS[1]).record_path.unlink()
    runs.run(IDS[2]).curve_path.write_text("")
    with runs.run(IDS[3]).claim():
        moved = pack(runs)
    assert moved.num_runs == 1
    reasons = ["it has weights", "not done", "curve.jsonl is damaged", "a process holds it"]
    assert len(moved.left) == 4
    for line, reason in zip(moved.left, reasons, strict=True):
        assert reason in line
    assert runs.run(IDS[4]).in_archive()


def test_damage_in_a_shard_is_one_line_and_stops_no_other_run(runs: Store) -> None:
    pack(runs)
    shard = runs.outputs / "archives" / "many.0001.zip"
    data = shard.read_bytes()
    place = data.index(b'"memorised_bits": 2.5')
    shard.write_bytes(data[:place] + b'"memorised_bits": 7.5' + data[place + 21 :])
    assert [run.run_id for run in runs.runs() if run.damage(thorough=True)] == [IDS[0]]
    assert "curve.jsonl is damaged" in str(runs.run(IDS[0]).damage(thorough=True))
    moved = restore(runs)
    assert moved.num_runs == 4
    assert len(moved.left) == 1
    assert not runs.run(IDS[0]).is_done()
    assert all(runs.run(run_id).damage() is None for run_id in IDS[1:])
    assert shard.with_suffix(".zip.damaged").exists()


def test_a_missing_shard_and_a_damaged_index_do_not_make_runs_undone(runs: Store) -> None:
    pack(runs)
    folder = runs.outputs / "archives"
    (folder / "many.0001.zip").rename(folder / "elsewhere")
    archive.index_of(folder / "many.0002.zip").write_text("torn")
    archive.KNOWN.clear()
    lines = {runs.run(run_id).damage() for run_id in IDS[:2]}
    assert len(lines) == 1
    assert "many.0001.zip is damaged: it is missing" in str(lines.pop())
    assert all(runs.run(run_id).damage() is None for run_id in IDS[2:])
    with pytest.raises(Damaged, match="it is missing"):
        runs.run(IDS[0]).curve()
    assert restore(runs).num_runs == 3
    assert [runs.run(run_id).is_done() for run_id in IDS] == [False] * 2 + [True] * 3


def test_a_run_in_a_shard_is_not_set_aside_to_be_trained_anew(runs: Store) -> None:
    pack(runs)
    with pytest.raises(ValueError, match="2 of these runs are archived: rote archive NAME"):
        _set_aside([SimpleNamespace(run_id=run_id) for run_id in IDS[:2]], runs.outputs)


def test_a_second_archive_while_one_packs_is_refused(runs: Store) -> None:
    with (
        packing._alone(runs),
        pytest.raises(ValueError, match="another process packs or restores runs"),
    ):
        pack(runs)
