"""The page on one's own model is carried out as it stands, in an empty folder, budgets scaled."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import yaml
from tests.docs.pages import ROOT, blocks, commands
from tests.docs.reader import Reader

from rote.config import trust
from rote.config.budget_scale import VARIABLE
from rote.core import own_modules

PAGE = ROOT / "docs" / "your_model.md"
SCALE = "0.002"  # of the demo's 8,000 steps sixteen


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty one, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROTE_OUTPUTS", raising=False)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # put back after the test
    monkeypatch.setenv(VARIABLE, SCALE)
    monkeypatch.setattr(trust, "_composed", set())
    monkeypatch.setattr(own_modules._finder, "folders", [])
    yield tmp_path
    for name in ("gru", "halves", "hits"):
        sys.modules.pop(name, None)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_page_is_true(folder: Path, preloaded_workers: None) -> None:
    reader = Reader(folder)
    for command in commands(PAGE):
        if command[0] == "rote":
            reader.type(command)
        else:
            subprocess.run([sys.executable, *command[1:]], check=True)
    runs = list((folder / "outputs" / "runs").iterdir())
    assert len(runs) == 4 + 6  # of the grid, which holds the first run, and of the sweep

    (code,) = blocks(PAGE, "python")
    for shown, real in reader.named.items():
        code = code.replace(shown, real)
    said = StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, {})
    assert "shape: (6, 4)" in said.getvalue()

    shown = blocks(PAGE, "yaml")[0]
    assert shown == (folder / "conf" / "model" / "gru.yaml").read_text()
    assert yaml.safe_load(shown)["_target_"] == "gru.Gru"
