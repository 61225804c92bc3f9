"""What `rote new` writes runs at once, is under test at once, and never takes another's place."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rote.cli.main import main
from rote.config import trust
from rote.config.skeletons import KINDS, write_skeleton
from rote.core import own_modules

NAMES = {"model": "own_gru", "task": "own_task", "measure": "own_measure", "sweep": "own_sweep"}
ALL = ["model=own_gru", "task=own_task", "measure=[cost,own_measure]", "size=demo_s"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty one, which is the current one."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setattr(trust, "_composed", set())
    monkeypatch.setattr(own_modules._finder, "folders", [])
    yield tmp_path / "work"
    for name in NAMES.values():
        sys.modules.pop(name, None)


def test_all_kinds_are_composed_together_and_swept(folder: Path) -> None:
    for kind, name in NAMES.items():
        assert main(["new", kind, name]) == 0
    assert main(["train", *ALL, "--dry-run"]) == 0
    assert main(["sweep", "own_sweep", *ALL, "--dry-run"]) == 0


def test_their_own_tests_pass(folder: Path) -> None:
    """In an interpreter of their own, as a user starts them."""
    for kind in KINDS:
        write_skeleton(kind, NAMES[kind], folder)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "13 passed" in done.stdout


def test_it_says_what_it_wrote_and_what_to_type_next(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "measure", "hits"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote hits.py",
        "wrote conf/measure/hits.yaml",
        "wrote test_hits.py",
        "next: rote train measure=[cost,hits] size=demo_s --dry-run",
        "next: python -m pytest test_hits.py",
    ]


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("model", "own_thing.py"),
        ("model", "conf/model/own_thing.yaml"),
        ("task", "test_own_thing.py"),
        ("sweep", "sweeps/own_thing.yaml"),
    ],
)
def test_nothing_is_written_where_one_file_exists(folder: Path, kind: str, place: str) -> None:
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).symlink_to("nowhere")  # a link that leads nowhere is somebody's, too
    before = sorted(folder.rglob("*"))
    with pytest.raises(ValueError, match=f"{place} exists and stays as it is"):
        write_skeleton(kind, "own_thing", folder)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("model", "gpt", "rote has model=gpt already"),
        ("measure", "cost", "rote has measure=cost already"),
        ("sweep", "demo", "there is a sweep 'demo' already"),
        ("model", "random", "Python has a module 'random' already"),
        ("task", "torch", "Python has a module 'torch' already"),
        ("model", "MyModel", "a name is small letters"),
        ("model", "../gru", "a name is small letters"),
        ("model", "class", "a name is small letters"),
        ("model", "gr\u00fc", "a name is small letters"),
        ("modell", "gru", "kind 'modell' is not known. Did you mean 'model'?"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(
    folder: Path, kind: str, name: str, told: str
) -> None:
    with pytest.raises(ValueError) as raised:
        write_skeleton(kind, name, folder)
    assert told in str(raised.value)
    assert not list(folder.iterdir())
