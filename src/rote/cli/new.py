"""`rote new`: a first version of one's own model, task, measure or sweep in the current folder."""

import argparse
from pathlib import Path

from rote.cli.screen import screen
from rote.config.skeletons import next_commands, write_skeleton


def run(arguments: argparse.Namespace) -> int:
    """Prints what was written and what to type next."""
    console = screen()
    for path in write_skeleton(arguments.kind, arguments.name, Path.cwd()):
        console.print(f"wrote {path.relative_to(Path.cwd())}")
    for command in next_commands(arguments.kind, arguments.name):
        console.print(f"next: {command}")
    return 0
