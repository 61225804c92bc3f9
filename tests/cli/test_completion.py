"""The script that a shell is given names every command, and the shell takes it."""

import shutil
import subprocess

import pytest

from rote.cli.main import main
from rote.cli.parser import parser_of_commands


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_every_command_is_completed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    (commands,) = [
        action.choices for action in parser_of_commands()._actions if action.dest == "command"
    ]
    assert commands
    assert all(command in script for command in commands)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    script = capsys.readouterr().out
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
