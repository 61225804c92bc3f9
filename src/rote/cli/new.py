"""The command `rote new`: write a first model, task, measure or sweep in the current folder."""

from pathlib import Path
from typing import Annotated, Literal

from rote.cli.arguments import argument
from rote.cli.screen import screen
from rote.config.skeletons import next_commands, write_skeleton


def new(
    kind: Annotated[
        Literal["model", "task", "measure", "sweep"], argument("what to begin", converter=None)
    ],
    name: Annotated[str, argument("small letters, digits and _; also that of its module")],
    /,
) -> int:
    """Print what was written and what to type next; nothing is overwritten."""
    console = screen()
    for path in write_skeleton(kind, name, Path.cwd()):
        console.print(f"wrote {path.relative_to(Path.cwd())}")
    for command in next_commands(kind, name):
        console.print(f"next: {command}")
    return 0
