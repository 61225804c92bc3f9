"""Define commands that show the state of runs: tables, progress until the end, failures, logs."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from rich.progress import Progress, TaskID
from rich.table import Table

from rote.cli.arguments import LAUNCHED, Follow, Json, argument, run_id, whole
from rote.cli.progress import steps_of
from rote.cli.screen import Screen, print_json, screen
from rote.cluster.limits import reached
from rote.cluster.liveness import last_attempt
from rote.cluster.plan import Plan, launched, load_plan, sweep_folder
from rote.cluster.status import (
    STATES,
    Jobs,
    RunState,
    count,
    labels,
    log_of,
    states,
    sweep_status,
    tail,
    trained_versions,
)
from rote.io.outputs import outputs_folder
from rote.io.read import Damaged, require_no_damage
from rote.ledger.store import Store

POLL_SECONDS = 0.5
QUEUE_POLL_SECONDS = 5.0  # SLURM's controller serves a whole cluster
LINES_OF_A_LOG = 3
WELL = ("done", "running", "pending", "requeued")
ILL = ("failed", "lost", "damaged")
LOOKS = {"done": "green", "failed": "red"}
SHOWN_RUNS = 200
# The order in which states are shown if not all runs can be.
URGENCY = (
    "damaged", "failed", "lost", "running", "requeued", "unknown", "waiting", "pending", "done",
)  # fmt: skip


def status(
    name: Annotated[str | None, LAUNCHED] = None, /, *, follow: Follow = False, json: Json = False
) -> int:
    """Print one sweep run by run, or every launched sweep on a line; as JSON the same.

    Raises ValueError for plans and journals that are damaged, once the others have been shown.
    """
    console = screen()
    outputs = outputs_folder()
    if name is not None and follow:
        watch(console, load_plan(outputs, name), outputs, detached=True)
    plans, damaged = _readable(outputs, launched(outputs) if name is None else [name])
    if name is not None and damaged:
        raise ValueError(damaged[0])
    jobs = sweep_status(outputs, [plan.name for plan in plans])
    if json:
        print_json(standing(outputs, plans, jobs))
    elif name is not None:
        _print_runs(console, plans[0], outputs, jobs)
    elif plans:
        _warn_if_unknown(console, jobs)
        console.print(_sweeps(plans, Store(outputs), jobs))
        _print_held(console, jobs)
    else:
        console.say(f"no sweep has been launched in {outputs}")
    require_no_damage([*damaged, *jobs.damaged])
    return 0


def _readable(outputs: Path, names: Sequence[str]) -> tuple[list[Plan], list[str]]:
    """Return the plans of these sweeps, and why others cannot be read."""
    plans, damaged = [], []
    for name in names:
        try:
            plans.append(load_plan(outputs, name))
        except ValueError as error:
            damaged.append(str(error))
    return plans, damaged


def standing(outputs: Path, plans: Sequence[Plan], jobs: Jobs) -> list[dict[str, Any]]:
    """Return the sweeps, each with its runs, for JSON."""
    return [
        {
            "name": plan.name,
            "question": plan.question,
            "queue_is_known": jobs.known,
            "stopped_by": reached(sweep_folder(outputs, plan.name), Store(outputs)),
            "runs": [asdict(run) for run in states(plan, Store(outputs), jobs)],
        }
        for plan in plans
    ]


def _sweeps(plans: Sequence[Plan], store: Store, jobs: Jobs) -> Table:
    counts = [count(states(plan, store, jobs)) for plan in plans]
    shown = [state for state in STATES if any(one[state] for one in counts)]
    table = Table("sweep", *shown, "question", box=None, header_style="bold")
    for plan, one in zip(plans, counts, strict=True):
        table.add_row(plan.name, *(str(one[state]) for state in shown), plan.question)
    return table


def _print_runs(console: Screen, plan: Plan, outputs: Path, jobs: Jobs) -> None:
    runs = states(plan, Store(outputs), jobs)
    _warn_if_unknown(console, jobs)
    order = sorted(range(len(runs)), key=lambda index: URGENCY.index(runs[index].state))
    chosen = sorted(order[:SHOWN_RUNS]) if len(runs) > SHOWN_RUNS else range(len(runs))
    names = labels(plan.specs, chosen)
    console.print(_table([runs[index] for index in chosen], names))
    if hidden := len(runs) - len(chosen):
        console.print(f"and {hidden:,} more")
    _print_last_lines(console, outputs, runs, jobs)
    _print_held(console, jobs)
    console.print(f"{plan.name}: {_tally(count(runs))}")
    if versions := trained_versions(plan, Store(outputs)):
        console.say(versions, style="yellow")
    _print_stop(console, plan, outputs)


def _print_stop(console: Screen, plan: Plan, outputs: Path) -> None:
    """Print which limit of the sweep is reached, if one is."""
    if reason := reached(sweep_folder(outputs, plan.name), Store(outputs)):
        console.print(f"stopped: {reason}; rote resume takes a higher one", style="yellow")


def _table(runs: Sequence[RunState], names: Sequence[str]) -> Table:
    table = Table("run", "state", "step", "of", "left", "point", box=None, header_style="bold")
    for run, name in zip(runs, names, strict=True):
        left = "" if run.eta_seconds is None else str(timedelta(seconds=round(run.eta_seconds)))
        point = name if run.reason is None else f"{name}: {run.reason}"
        table.add_row(run.run_id, run.state, f"{run.step:,}", f"{run.max_steps:,}", left, point)
    return table


def _warn_if_unknown(console: Screen, jobs: Jobs) -> None:
    if not jobs.known:
        console.print("queue unknown: squeue does not answer; only files were read", style="yellow")


def logs(
    name: Annotated[str, argument("16 hex digits", converter=run_id, name="run_id")],
    /,
    *,
    lines: Annotated[int, whole(1, 10**6, "how many")] = 40,
) -> int:
    """Print the end of the log of the run's worker, and the failure if it failed.

    Raises ValueError for a run that does not exist, and for a log that cannot be shown.
    """
    outputs = outputs_folder()
    run = Store(outputs).run(name)
    if not run.path.is_dir():
        if packed := run.in_archive():
            raise ValueError(f"run {name!r} is in {packed.shard}: rote archive NAME --restore")
        raise ValueError(f"run {name!r} is not in {run.path.parent}: see rote status")
    console = screen()
    try:
        if attempt := last_attempt(run):
            path = Path(attempt["log"])
            _print_log(console, path, tail(path, lines, outputs))
    finally:
        if failure := run.failure():
            console.say(f"failed: {failure['reason']}", style="red")
            console.say(failure["details"])
    return 0


def _print_log(console: Screen, path: Path, lines: Sequence[str], style: str = "") -> None:
    console.say(path)
    for line in lines:
        console.say(f"  {line}", style=style)


def watch(console: Screen, plan: Plan, outputs: Path, *, detached: bool) -> None:
    """Show a line for each training run and a bar for the whole sweep, until no job is left."""
    store = Store(outputs)
    names = dict(zip(plan.run_ids, labels(plan.specs), strict=True))
    reported = {run_id for run_id in plan.run_ids if store.run(run_id).is_done()}
    with steps_of(console) as progress:
        whole = progress.add_task(plan.name, total=1, bits="")
        lines: dict[str, TaskID] = {}
        over = False
        while not over:
            # The queue is read first, so that the folders, read after it, show how jobs ended.
            jobs = sweep_status(outputs, [plan.name])
            over = jobs.known and not any(job.is_live for job in jobs.by_run.values())
            runs = states(plan, store, jobs)
            for run in runs:
                if run.run_id not in reported:
                    _show(progress, lines, reported, run, names[run.run_id])
            progress.update(
                whole,
                total=sum(run.max_steps for run in runs),
                completed=sum(run.step for run in runs),
                bits=_tally(count(runs)),
            )
            if not over:
                time.sleep(QUEUE_POLL_SECONDS if detached else POLL_SECONDS)


def summarise(console: Screen, plan: Plan, outputs: Path) -> int:
    """Print each failure with its reason; return 0 only if every run is done or on its way."""
    jobs = sweep_status(outputs, [plan.name])
    runs = states(plan, Store(outputs), jobs)
    names = dict(zip(plan.run_ids, labels(plan.specs), strict=True))
    for run in runs:
        if run.state in ILL:
            text = f"{run.state}: {run.run_id} {names[run.run_id]}: {run.reason}"
            console.say(text, style="red")
    _print_last_lines(console, outputs, runs, jobs)
    _print_held(console, jobs)
    counts = count(runs)
    if counts["failed"]:
        console.print(f"rote retry {plan.name} runs what failed again")
    if counts["damaged"]:
        console.print(f"rote repair {plan.name} trains what is damaged anew")
    console.print(f"{plan.name}: {_tally(counts)}")
    _print_stop(console, plan, outputs)
    return 0 if sum(counts[state] for state in WELL) == len(runs) else 1


def _print_last_lines(console: Screen, outputs: Path, runs: Sequence[RunState], jobs: Jobs) -> None:
    """Print the last lines of the logs of lost jobs, each log once."""
    lost = {run.run_id for run in runs if run.state == "lost"}
    paths = {log_of(job) for run_id, job in jobs.by_run.items() if run_id in lost}
    for path in sorted(paths):
        try:
            lines = tail(path, LINES_OF_A_LOG, outputs)
        except Damaged as error:
            lines = [str(error)]
        _print_log(console, path, lines, "red")


def _print_held(console: Screen, jobs: Jobs) -> None:
    """Print how to release jobs that SLURM holds, which would wait for ever."""
    held = {job.job_id: job.waits_for for job in jobs.by_run.values() if job.is_held}
    for job_id, words in sorted(held.items()):
        console.say(f"job {job_id} is {words}", style="yellow")


def _tally(counts: dict[str, int]) -> str:
    """Count the states that occur."""
    return ", ".join(f"{number} {state}" for state, number in counts.items() if number)


def _show(
    progress: Progress, lines: dict[str, TaskID], reported: set[str], run: RunState, name: str
) -> None:
    """Show a bar while a run trains, a line at its end; updates ``lines`` and ``reported``."""
    if run.state == "running":
        if run.run_id not in lines:
            lines[run.run_id] = progress.add_task(f"  {name}", total=run.max_steps, bits="")
        progress.update(lines[run.run_id], completed=run.step, bits=run.progress_text)
    elif run.state == "done" or run.run_id in lines:
        if run.run_id in lines:
            progress.remove_task(lines.pop(run.run_id))
        if run.state in LOOKS:
            reported.add(run.run_id)
            progress.console.print(f"{run.state}  {name}", style=LOOKS[run.state])
