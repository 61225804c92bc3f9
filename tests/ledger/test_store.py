"""Records are whole, checked, and never lost."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rote.io.read import Damaged
from rote.ledger.claim import RunIsTaken
from rote.ledger.record import DamagedRecord, Record, _digest
from rote.ledger.store import RunFolder, Store

RECORD = Record(
    run_id="0123456789abcdef",
    what={"seed": 0},
    parameters=10,
    embedding_parameters=4,
    entropy_bits=100.0,
    entropy_after_first_token_bits=90.0,
    training={"steps": 5, "converged": True},
    measures={"cost": {"train_code_bits": 40.0}},
)
HOLD = """
import sys, time
from pathlib import Path
from rote.ledger.store import RunFolder
with RunFolder(Path(sys.argv[1])).claim():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(store: Store) -> RunFolder:
    folder = store.run(RECORD.run_id)
    folder.path.mkdir(parents=True)
    return folder


def test_a_record_comes_back_equal(folder: RunFolder) -> None:
    assert not folder.is_done()
    folder.finish(RECORD, {"cost.train": np.arange(3.0)}, {"host": "x"})
    assert folder.is_done()
    assert folder.record() == RECORD
    assert folder.arrays()["cost.train"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda text: text[: len(text) // 2], "not a record"),
        (lambda text: text.replace("100.0", "101.0"), "checksum"),
        (lambda text: "", "not a record"),
        (lambda text: "[]", "not a record"),
    ],
)
def test_a_damaged_record_is_named_and_left_alone(
    folder: RunFolder, damage: object, why: str
) -> None:
    folder.record_path.write_text(damage(RECORD.to_json()))
    before = folder.record_path.read_bytes()
    with pytest.raises(DamagedRecord, match=rf"record\.json is damaged: .*{why}.*move it away"):
        folder.record()
    assert folder.record_path.read_bytes() == before


def test_a_record_of_another_run_or_schema_is_refused(
    folder: RunFolder, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = store.run("feedfeedfeedfeed")
    other.path.mkdir()
    other.record_path.write_text(RECORD.to_json())
    with pytest.raises(DamagedRecord, match="belongs to run 0123456789abcdef"):
        other.record()
    folder.record_path.write_text(RECORD.to_json())
    monkeypatch.setattr("rote.ledger.record.VERSION", 99)
    with pytest.raises(DamagedRecord, match="schema version 3, this program reads 99"):
        folder.record()


def test_a_run_is_owned_by_one_process_and_freed_when_it_is_killed(folder: RunFolder) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    assert folder.is_claimed()
    with pytest.raises(RunIsTaken), folder.claim():
        pass
    holder.kill()
    holder.wait()
    assert not folder.is_claimed()
    with folder.claim():
        assert folder.path.exists()


def test_a_torn_curve_is_read_up_to_the_tear(folder: RunFolder) -> None:
    assert folder.curve() == []
    assert folder.last_row() is None
    for step in (1, 2):
        folder.append({"step": step})
    with folder.curve_path.open("a") as stream:
        stream.write('{"step": 3')
    assert [row["step"] for row in folder.curve()] == [1, 2]
    assert folder.last_row() == {"step": 2}


@pytest.mark.parametrize("value", [10**30, -(2**63), True, "1", None, [1]])
def test_a_curve_holds_numbers_that_a_column_can_hold(folder: RunFolder, value: object) -> None:
    folder.append({"step": 1, "memorised_bits": 2**62, "loss_nats_per_token": 0.5})
    assert len(folder.curve()) == 1
    folder.append({"step": 2, "memorised_bits": value})
    with pytest.raises(Damaged, match="memorised_bits must be"):
        folder.curve()


def test_a_disk_that_fills_while_the_record_is_written_leaves_no_record(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        if target.name == "record.json":
            raise OSError(28, "No space left on device")
        original(self, target)

    original = Path.replace
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        folder.finish(RECORD, {}, {})
    assert not folder.is_done()
    assert not list(folder.path.glob(".record*"))


def test_records_of_the_first_version_are_read_without_what_they_do_not_say() -> None:
    content = json.loads(RECORD.to_json()) | {"version": 1}
    del content["sha256"], content["embedding_parameters"]
    old = Record.from_json(json.dumps({"sha256": _digest(content), **content}))
    assert old == replace(RECORD, embedding_parameters=None)
