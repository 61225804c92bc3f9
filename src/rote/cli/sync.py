"""`rote sync`: offline wandb runs, sent to a server once each."""

import argparse
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rote.cli.damage import require_no_damage
from rote.cli.screen import print_json, screen
from rote.cluster.plan import load_plan
from rote.io.outputs import outputs_folder
from rote.ledger.claim import RunIsTaken
from rote.ledger.store import RunFolder, Store
from rote.tracking.uploading import FAILED, PENDING, Upload, offline_logs, send


def run(arguments: argparse.Namespace) -> int:
    """Prints how many logs stand where; 1 where one could not be sent.

    Raises ValueError for damaged runs and logs, once the others are sent.
    """
    damaged: list[str] = []
    runs, reports = _folders(outputs_folder(), arguments.name)
    if not arguments.dry_run:
        _mend(runs, damaged)
    found = _found(runs, reports, damaged)
    if not arguments.dry_run:
        pending = [one for one in found if one.state == PENDING]
        settled = {one.path: one for one in send(pending, jobs=arguments.jobs)}
        found = [settled.get(one.path, one) for one in found]
    if arguments.json:
        print_json({"logs": [_plain(one) for one in found]})
    else:
        _print(found)
    require_no_damage(damaged)
    return int(any(one.state == FAILED for one in found))


def _folders(outputs: Path, name: str | None) -> tuple[list[RunFolder], list[Path]]:
    """Of a sweep's runs and its report, or of all that is here; raises ValueError for a name."""
    store = Store(outputs)
    if name is None:
        return store.runs(), sorted((outputs / "reports").glob("*"))
    plan = load_plan(outputs, name)
    return [store.run(run_id) for run_id in plan.run_ids], [outputs / "reports" / plan.name]


def _found(runs: list[RunFolder], reports: list[Path], damaged: list[str]) -> list[Upload]:
    places = [(run.path, run.is_claimed()) for run in runs] + [(path, False) for path in reports]
    found = []
    for path, is_running in places:
        try:
            found += offline_logs(path, is_running=is_running)
        except ValueError as error:
            damaged.append(str(error))
    return found


def _mend(runs: list[RunFolder], damaged: list[str]) -> None:
    """What a process that died at its very end did not tell wandb is told now."""
    from rote.tracking.repair import repair

    for run in (run for run in runs if run.is_done()):
        try:
            with suppress(RunIsTaken), run.claim():
                repair(run)
        except ValueError as error:
            damaged.append(str(error))


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
