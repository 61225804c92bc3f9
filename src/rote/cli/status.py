"""`rote status`: from the run folders, the journals and one question to the queue; no torch."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rote.cli.damage import require_no_damage
from rote.cli.follow import follow, print_held, print_last_words, tally
from rote.cli.screen import print_json, screen
from rote.cluster.plan import Plan, launched, load_plan
from rote.cluster.status import (
    STATES,
    Jobs,
    RunState,
    count,
    label,
    states,
    sweep_status,
    varying_keys,
)
from rote.io.outputs import outputs_folder
from rote.ledger.store import Store

SHOWN_RUNS = 200
# What a person must see first, where not all can be shown.
URGENCY = (
    "damaged", "failed", "lost", "running", "requeued", "unknown", "waiting", "pending", "done",
)  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """One sweep run by run, or every launched sweep on a line; as JSON the same.

    Raises ValueError for plans and journals that are damaged, once the others have been shown.
    """
    console = screen()
    outputs = outputs_folder()
    is_one = arguments.name is not None
    if is_one and arguments.follow:
        follow(console, load_plan(outputs, arguments.name), outputs, detached=True)
    plans, damaged = _readable(outputs, [arguments.name] if is_one else launched(outputs))
    if is_one and damaged:
        raise ValueError(damaged[0])
    jobs = sweep_status(outputs, [plan.name for plan in plans])
    if arguments.json:
        print_json(standing(outputs, plans, jobs))
    elif is_one:
        _print_runs(console, plans[0], outputs, jobs)
    elif plans:
        _print_sweeps(console, plans, outputs, jobs)
    else:
        console.print(f"no sweep has been launched in {outputs}", soft_wrap=True)
    require_no_damage([*damaged, *jobs.damaged])
    return 0


def _readable(outputs: Path, names: Sequence[str]) -> tuple[list[Plan], list[str]]:
    """The plans of these sweeps, and why others cannot be read."""
    plans, damaged = [], []
    for name in names:
        try:
            plans.append(load_plan(outputs, name))
        except ValueError as error:
            damaged.append(str(error))
    return plans, damaged


def standing(outputs: Path, plans: Sequence[Plan], jobs: Jobs) -> list[dict[str, Any]]:
    """For JSON: sweeps, each with its runs."""
    return [
        {
            "name": plan.name,
            "question": plan.question,
            "queue_is_known": jobs.known,
            "runs": [asdict(run) for run in states(plan, Store(outputs), jobs)],
        }
        for plan in plans
    ]


def _print_sweeps(console: Console, plans: Sequence[Plan], outputs: Path, jobs: Jobs) -> None:
    _say_if_unknown(console, jobs)
    console.print(_sweeps(plans, Store(outputs), jobs))
    print_held(console, jobs)


def _sweeps(plans: Sequence[Plan], store: Store, jobs: Jobs) -> Table:
    counts = [count(states(plan, store, jobs)) for plan in plans]
    shown = [state for state in STATES if any(one[state] for one in counts)]
    table = Table("sweep", *shown, "question", box=None, header_style="bold")
    for plan, one in zip(plans, counts, strict=True):
        table.add_row(plan.name, *(str(one[state]) for state in shown), plan.question)
    return table


def _print_runs(console: Console, plan: Plan, outputs: Path, jobs: Jobs) -> None:
    runs = states(plan, Store(outputs), jobs)
    _say_if_unknown(console, jobs)
    keys = varying_keys(plan.specs)
    order = sorted(range(len(runs)), key=lambda index: URGENCY.index(runs[index].state))
    chosen = sorted(order[:SHOWN_RUNS]) if len(runs) > SHOWN_RUNS else range(len(runs))
    names = [label(plan.points[index].spec, keys) for index in chosen]
    console.print(_table([runs[index] for index in chosen], names))
    if hidden := len(runs) - len(chosen):
        console.print(f"and {hidden:,} more")
    print_last_words(console, outputs, runs, jobs)
    print_held(console, jobs)
    console.print(f"{plan.name}: {tally(count(runs))}")


def _table(runs: Sequence[RunState], names: Sequence[str]) -> Table:
    table = Table("run", "state", "step", "of", "left", "point", box=None, header_style="bold")
    for run, name in zip(runs, names, strict=True):
        left = "" if run.eta_seconds is None else _clock(run.eta_seconds)
        point = name if run.reason is None else f"{name}: {run.reason}"
        table.add_row(run.run_id, run.state, f"{run.step:,}", f"{run.max_steps:,}", left, point)
    return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _say_if_unknown(console: Console, jobs: Jobs) -> None:
    if not jobs.known:
        console.print("queue unknown: squeue does not answer; told from files", style="yellow")
