"""--quiet leaves errors, and JSON that was asked for."""

import json
from pathlib import Path

import pytest

from rote.cli.main import main
from rote.cli.screen import QUIET


@pytest.fixture(autouse=True)
def _outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    monkeypatch.setenv(QUIET, "")
    monkeypatch.delenv(QUIET)  # what main sets is taken back


def test_nothing_is_printed_but_what_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--flops", "1e21"]) == 0
    assert "parameters" in capsys.readouterr().out
    assert main(["--quiet", "plan", "--flops", "1e21"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["-q", "plan", "--flops", "1e21", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]


def test_errors_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quiet", "plan"]) == 2
    assert "nothing is asked" in capsys.readouterr().err
