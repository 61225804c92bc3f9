"""`rote sync`: offline wandb runs, sent to a server once each."""

import argparse
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rote.cli.screen import print_json, screen
from rote.cluster.plan import load_plan
from rote.ledger.claim import RunIsTaken
from rote.ledger.store import RunFolder, Store
from rote.outputs import outputs_folder
from rote.tracking.uploading import FAILED, PENDING, Upload, offline_logs, send


def run(arguments: argparse.Namespace) -> int:
    """Prints how many logs stand where; 1 where one could not be sent."""
    found = _found(outputs_folder(), arguments.name, is_mending=not arguments.dry_run)
    if not arguments.dry_run:
        pending = [one for one in found if one.state == PENDING]
        settled = {one.path: one for one in send(pending, jobs=arguments.jobs)}
        found = [settled.get(one.path, one) for one in found]
    if arguments.json:
        print_json({"logs": [_plain(one) for one in found]})
    else:
        _print(found)
    return int(any(one.state == FAILED for one in found))


def _found(outputs: Path, name: str | None, *, is_mending: bool) -> list[Upload]:
    """Of a sweep's runs and its report, or of all that is here; raises ValueError for a name."""
    if name is None:
        runs = [RunFolder(path) for path in sorted((outputs / "runs").glob("*"))]
        reports = sorted((outputs / "reports").glob("*"))
    else:
        store = Store(outputs)
        runs = [store.run(run_id) for run_id in load_plan(outputs, name).run_ids]
        reports = [outputs / "reports" / name]
    if is_mending:
        _mend(runs)
    found = [one for run in runs for one in offline_logs(run.path, is_running=run.is_claimed())]
    return found + [one for path in reports for one in offline_logs(path, is_running=False)]


def _mend(runs: list[RunFolder]) -> None:
    """What a process that died at its very end did not tell wandb is told now."""
    from rote.tracking.mending import mend  # wandb, where it is needed

    for run in (run for run in runs if run.is_done()):
        with suppress(RunIsTaken), run.claim():
            mend(run)


def _print(found: list[Upload]) -> None:
    console = screen()
    for one in found:
        if one.state == PENDING:
            console.print(f"pending: {one.path}", soft_wrap=True)
        if one.state == FAILED:
            console.print(f"failed: {one.path}: {one.error}", style="red", soft_wrap=True)
    counts = Counter(one.state for one in found)
    told = ", ".join(f"{number} {state}" for state, number in counts.items())
    console.print(f"{len(found)} offline logs: {told}" if found else "no offline logs")


def _plain(upload: Upload) -> dict[str, Any]:
    return {**asdict(upload), "path": str(upload.path)}
