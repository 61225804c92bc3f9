"""An audit that is killed goes on from its pieces, and ends with the same numbers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from tests.auditing.conftest import Checkpoints

from rote.auditing.stages import PartialResults
from rote.cli.main import main


@pytest.fixture
def words(checkpoints: Checkpoints, tmp_path: Path) -> list[str]:
    """An audit of few documents with every kind of score."""
    for name, path in (("m", checkpoints.members), ("n", checkpoints.nonmembers)):
        (tmp_path / f"{name}.jsonl").write_text("".join(path.open().readlines()[:60]))
    return [
        "audit", str(checkpoints.trained), "--members", str(tmp_path / "m.jsonl"),
        "--nonmembers", str(tmp_path / "n.jsonl"), "--prefix-tokens", "4", "--suffix-tokens", "8",
    ]  # fmt: skip


def files(output: Path) -> dict[str, bytes]:
    (folder,) = output.iterdir()
    assert not (folder / "pieces").exists()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_killed_for_good_and_asked_again(words: list[str], tmp_path: Path) -> None:
    assert main([*words, "--output", str(tmp_path / "whole")]) == 0
    child = subprocess.Popen(
        [sys.executable, "-m", "rote", *words, "--output", str(tmp_path / "killed")],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until = time.monotonic() + 120
    # The gradients come last, and one after another: it is killed among them.
    while not list((tmp_path / "killed").glob("*/pieces/neighbourhood-*.npz")):
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    (folder,) = (tmp_path / "killed").iterdir()
    assert not (folder / "audit.json").exists()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("pieces/*.npz")}
    assert main([*words, "--output", str(tmp_path / "killed")]) == 0
    assert len(before) >= 4
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


@pytest.mark.parametrize("last", [pytest.param(last, marks=pytest.mark.slow) for last in (1, 4)])
def test_no_finished_piece_is_made_again(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    output = ["--output", str(tmp_path / "audits")]
    made: list[str] = []
    write = PartialResults.write

    def counted(pieces: PartialResults, name: str, arrays: dict) -> None:
        write(pieces, name, arrays)
        made.append(name)
        if len(made) == last:
            raise KeyboardInterrupt

    monkeypatch.setattr(PartialResults, "write", counted)
    assert main([*words, *output]) == 130
    assert main([*words, *output]) == 0
    assert len(made) == len(set(made)) > last


def test_a_damaged_piece_is_made_again(words: list[str], tmp_path: Path) -> None:
    pieces = PartialResults(tmp_path)
    pieces.write("one", {})
    (tmp_path / "one.npz").write_bytes(b"PK torn")
    assert pieces.read("one") is None and pieces.read("two") is None


def test_a_finished_audit_returns_at_once_and_any_change_is_another_one(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    output = ["--quick", "--json", "--output", str(tmp_path / "audits")]
    assert main([*words, *output]) == 0
    first = json.loads(capsys.readouterr().out)

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("rote.auditing.audit.run_audit", never)
    assert main([*words, *output]) == 0
    assert json.loads(capsys.readouterr().out) == first
    with pytest.raises(AssertionError):
        main([*words, *output, "--seed", "1"])
    with (tmp_path / "m.jsonl").open("a") as stream:
        stream.write("\n")
    with pytest.raises(AssertionError):
        main([*words, *output])


def test_two_processes_are_not_at_one_audit(words: list[str], tmp_path: Path, capsys) -> None:
    output = [*words, "--quick", "--output", str(tmp_path / "audits")]
    assert main(output) == 0
    (folder,) = (tmp_path / "audits").iterdir()
    (folder / "audit.json").unlink()
    with FileLock(folder / "lock"):
        assert main(output) == 2
    assert "another process is at this audit" in " ".join(capsys.readouterr().err.split())
