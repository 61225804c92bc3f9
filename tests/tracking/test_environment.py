"""The environment may forbid wandb what conf/log asks for, and never asks for more."""

from pathlib import Path

import pytest

from rote.cli.main import main
from rote.tracking.session import allowed_mode


@pytest.mark.parametrize(
    ("variable", "value", "mode", "allowed"),
    [
        ("WANDB_MODE", "disabled", "online", "disabled"),
        ("WANDB_MODE", "disabled", "offline", "disabled"),
        ("WANDB_MODE", "offline", "online", "offline"),
        ("WANDB_MODE", "dryrun", "online", "offline"),
        ("WANDB_MODE", "online", "offline", "offline"),
        ("WANDB_MODE", "", "online", "online"),
        ("WANDB_DISABLED", "true", "online", "disabled"),
        ("WANDB_DISABLED", "1", "offline", "disabled"),
        ("WANDB_DISABLED", "false", "offline", "offline"),
    ],
)
def test_the_stricter_mode_holds(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, mode: str, allowed: str
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv(variable, value)
    assert allowed_mode(mode) == allowed


def test_a_run_without_wandb_leaves_no_log_and_waits_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rote.tracking import session

    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = session.begin(tmp_path, run_id="0123456789abcdef", mode="online", project="rote")
    run.log({"loss": 1.0}, step=0, commit=True)
    session.end(run)
    assert not list(tmp_path.rglob("*run-*"))


def test_a_report_is_not_logged_where_wandb_is_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_DISABLED", "true")
    assert main(["report", "demo", "--wandb"]) == 2
    assert "turns wandb off" in capsys.readouterr().err
