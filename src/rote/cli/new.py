"""Define the command that writes a first version of a user's model, task, measure or sweep."""

from pathlib import Path
from typing import Annotated, Literal

from rote.cli.arguments import argument
from rote.cli.screen import screen

Kind = Literal["model", "task", "measure", "sweep"]


def new(
    kind: Annotated[Kind, argument("what it is", converter=None)],
    name: Annotated[str, argument("small letters, digits and _; also that of its module")],
    /,
) -> int:
    """Writes a module, its YAML and its test into the current folder, and overwrites no file.

    Prints what was written and what to type next.
    """
    from rote.config.skeletons import next_commands, write_skeleton

    console = screen()
    for path in write_skeleton(kind, name, Path.cwd()):
        console.print(f"wrote {path.relative_to(Path.cwd())}")
    for command in next_commands(kind, name):
        console.print(f"next: {command}")
    return 0
