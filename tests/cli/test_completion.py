"""The script that a shell is given names every command, and the shell takes it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from rote.cli.main import COMMANDS, main


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_is_completed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for group in COMMANDS.values():
        assert all(command in script for command in group)


def test_the_function_that_zsh_is_given_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "zsh"])
    *script, last = capsys.readouterr().out.splitlines()
    assert f"{last.split()[1]}() {{" in script


@pytest.mark.parametrize(("command", "candidate"), [("sweep", "demo"), ("status", "own")])
def test_names_of_sweeps_are_candidates(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    candidate: str,
) -> None:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path))
    plan = tmp_path / "sweeps" / "own" / "plan.json"
    plan.parent.mkdir(parents=True)
    plan.touch()
    main(["__complete", command, ""])
    assert candidate in capsys.readouterr().out.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_reads_it(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    main(["completion", shell])
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    assert subprocess.run([shell, "-n", str(script)], check=False).returncode == 0
