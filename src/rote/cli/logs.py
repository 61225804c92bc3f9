"""`rote logs`: what a run's worker wrote last, and why the run failed where it did."""

import argparse
from pathlib import Path

from rich.console import Console

from rote.cli.screen import screen
from rote.cluster.liveness import last_attempt
from rote.cluster.status import tail
from rote.io.outputs import outputs_folder
from rote.ledger.store import Store


def run(arguments: argparse.Namespace) -> int:
    """Raises ValueError for a run that is not there, and for a log that cannot be shown."""
    outputs = outputs_folder()
    run = Store(outputs).run(arguments.run_id)
    if not run.path.is_dir():
        raise ValueError(f"run {arguments.run_id!r} is not in {run.path.parent}: see rote status")
    console = screen()
    try:
        if life := last_attempt(run):
            _print_log(console, Path(life["log"]), arguments.lines, outputs)
    finally:
        if failure := run.failure():
            console.print(f"failed: {failure['reason']}", style="red", soft_wrap=True)
            console.print(failure["details"], soft_wrap=True)
    return 0


def _print_log(console: Console, path: Path, num_lines: int, outputs: Path) -> None:
    lines = tail(path, num_lines, outputs)
    console.print(str(path), soft_wrap=True)
    for line in lines:
        console.print(f"  {line}", soft_wrap=True)
