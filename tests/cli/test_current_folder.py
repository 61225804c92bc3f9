"""Commands in a folder that holds modules of somebody else, named as Python's and our own are."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rote.core.process import isolated_children

SHADOWS = (
    "random", "yaml", "torch", "rich", "pathlib", "argparse", "shutil", "hydra", "omegaconf",
    "numpy", "polars", "submitit", "filelock", "subprocess", "json", "tempfile", "wandb",
)  # fmt: skip
CONSOLE_SCRIPT = "import sys; from rote.__main__ import main; sys.exit(main())"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Each module that is imported from here leaves its name."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"open('imported_{name}', 'w')\n")
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "theirs.py").write_text("open('imported_plugin', 'w')\n")
    return tmp_path


def environment() -> dict[str, str]:
    """Ours is found without the current folder; nothing says yet that it is left out."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    root = Path(__file__).parents[2] / "src"
    return {**kept, "PYTHONPATH": str(root)}


@pytest.mark.parametrize("words", [["status"], ["train", "--cfg", "job"]])
@pytest.mark.parametrize("start", ["module", "script"])
def test_nothing_is_imported_from_it(foreign: Path, words: list[str], start: str) -> None:
    script = foreign.parent / "rote_script.py"
    script.write_text(CONSOLE_SCRIPT)
    command = ["-m", "rote"] if start == "module" else [str(script)]
    done = subprocess.run(
        [sys.executable, *command, *words], cwd=foreign, env=environment(), capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not list(foreign.glob("imported_*"))


def test_what_it_starts_imports_nothing_from_it_either(foreign: Path) -> None:
    start = "subprocess.run([sys.executable, '-c', 'import random'])"
    code = f"import rote.__main__, subprocess, sys; {start}"
    subprocess.run([sys.executable, "-P", "-c", code], cwd=foreign, env=environment(), check=True)
    assert not list(foreign.glob("imported_*"))


def test_our_own_sources_may_be_the_current_folder(tmp_path: Path) -> None:
    source = tmp_path / "src"
    shutil.copytree(
        Path(__file__).parents[2] / "src" / "rote", source / "rote",
        ignore=shutil.ignore_patterns("__pycache__"),
    )  # fmt: skip
    code = "import rote.core.process, sys; print(rote.core.process.__file__)"
    (source / "rote" / "cli" / "main.py").write_text(f"def main(): exec({code!r})\n")
    done = subprocess.run(
        [sys.executable, "-S", "-m", "rote"], cwd=source, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(source / "rote" / "core/process.py"), done.stderr


def test_what_is_started_for_a_while_finds_the_folders_that_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setenv("PYTHONPATH", ":/library:")  # an empty entry is the current folder
    with isolated_children("/application"):
        assert os.environ["PYTHONPATH"] == "/application:/library"
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ["PYTHONPATH"] == ":/library:" and "PYTHONSAFEPATH" not in os.environ
