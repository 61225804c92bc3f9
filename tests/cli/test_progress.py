"""Progress is shown on a terminal and nowhere else; --quiet leaves errors and requested JSON."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from rote.cli import progress
from rote.cli.main import main
from rote.cli.progress import Bar
from rote.cli.screen import QUIET, silence
from rote.core.progress import with_progress


def shown(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool, is_quiet: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, width=80, quiet=is_quiet)
    monkeypatch.setattr(progress, "aside", lambda: console)
    with Bar() as bar:
        bar("looking around", 0, None)
        assert list(with_progress([7, 8, 9, 10], "reading records", bar)) == [7, 8, 9, 10]
    return stream.getvalue()


def test_a_terminal_sees_each_stage_and_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = shown(monkeypatch, is_terminal=True)
    assert "looking around" in seen
    assert "100%" in seen[seen.index("reading records") :]


def test_a_pipe_and_a_quiet_terminal_see_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, is_terminal=False) == ""
    assert shown(monkeypatch, is_terminal=True, is_quiet=True) == ""


def test_silence_ends_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROTE_QUIET", raising=False)
    with silence(is_wanted=True):
        assert progress.aside().quiet
    assert not progress.aside().quiet


@pytest.fixture
def _outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    monkeypatch.setenv(QUIET, "")
    monkeypatch.delenv(QUIET)  # what main sets is taken back


@pytest.mark.usefixtures("_outputs")
def test_quiet_leaves_what_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--flops", "1e21"]) == 0
    assert "parameters" in capsys.readouterr().out
    assert main(["--quiet", "plan", "--flops", "1e21"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["-q", "plan", "--flops", "1e21", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]
    assert main(["--quiet", "plan"]) == 2
    assert "nothing is asked" in capsys.readouterr().err
