"""The documentation as its tests read it: pages, fenced blocks, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", *DOCS]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = ("rote", "make", "python")
TYPED = re.compile(rf"([A-Z_]+=\S+ |srun .*)?({'|'.join(PROGRAMS)}) ")
BETWEEN = ("&&", "|", ">")


def name(path: Path) -> str:
    """As a test's id."""
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, language: str) -> list[str]:
    """What stands in fences of a language; of none: what is typed, with some of what it prints."""
    return [text for named, text in FENCED.findall(path.read_text()) if named == language]


def commands(path: Path) -> list[list[str]]:
    """The words of every command of ours, of headings too; lines ended by a backslash are one."""
    lines = "".join(blocks(path, "")).replace("\\\n", " ").splitlines()
    headings = "".join(re.findall(r"^#+ .*$", path.read_text(), re.MULTILINE))
    typed = (line for line in [*lines, *re.findall(r"`([^`]+)`", headings)] if TYPED.match(line))
    return [command for line in typed for command in _commands(shlex.split(line, comments=True))]


def _commands(words: list[str]) -> Iterator[list[str]]:
    """Those of one line, without assignments to the environment and what srun is told."""
    while words:
        end = next((n for n, word in enumerate(words) if word in BETWEEN), len(words))
        command, words = words[:end], words[end + 1 :]
        begin = next((n for n, word in enumerate(command) if word in PROGRAMS), None)
        if begin is not None:
            yield command[begin:]
