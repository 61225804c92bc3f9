"""`rote logs`: what a run's worker wrote last, and why the run failed where it did."""

import argparse
from pathlib import Path

from rote.cli.screen import screen
from rote.cluster.life import last_life
from rote.cluster.status import tail
from rote.ledger.store import Store
from rote.outputs import outputs_folder


def run(arguments: argparse.Namespace) -> int:
    """Raises ValueError for a run that no worker has taken up."""
    run = Store(outputs_folder()).run(arguments.run_id)
    if not run.path.is_dir():
        raise ValueError(f"run {arguments.run_id!r} is not in {run.path.parent}: see rote status")
    console = screen()
    if life := last_life(run):
        console.print(life["log"], soft_wrap=True)
        for line in tail(Path(life["log"]), arguments.lines):
            console.print(f"  {line}", soft_wrap=True, markup=False)
    if failure := run.failure():
        console.print(f"failed: {failure['reason']}", style="red", soft_wrap=True, markup=False)
        console.print(failure["details"], soft_wrap=True, markup=False)
    return 0
