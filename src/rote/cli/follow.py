"""A sweep watched to its end, and what is said of it then."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID

from rote.cli.progress import steps_of
from rote.cluster.plan import Plan
from rote.cluster.status import Jobs, RunState, count, labels, log_of, states, sweep_status, tail
from rote.io.read import Damaged
from rote.ledger.store import Store

POLL_SECONDS = 0.5
QUEUE_POLL_SECONDS = 5.0  # a controller serves a whole cluster
LINES_OF_A_LOG = 3
WELL = ("done", "running", "pending", "requeued")
ILL = ("failed", "lost", "damaged")
LOOKS = {"done": "green", "failed": "red"}


def follow(console: Console, plan: Plan, outputs: Path, *, detached: bool) -> None:
    """A line for each run that is under way, a bar for the whole, until no job is left."""
    store = Store(outputs)
    names = dict(zip(plan.run_ids, labels(plan.specs), strict=True))
    told = {run_id for run_id in plan.run_ids if store.run(run_id).is_done()}
    with steps_of(console) as progress:
        whole = progress.add_task(plan.name, total=1, bits="")
        lines: dict[str, TaskID] = {}
        over = False
        while not over:
            jobs = sweep_status(
                outputs, [plan.name]
            )  # before the folders, so that these show the end
            over = jobs.known and not any(job.is_live for job in jobs.by_run.values())
            runs = states(plan, store, jobs)
            for run in runs:
                if run.run_id not in told:
                    _show(progress, lines, told, run, names[run.run_id])
            progress.update(
                whole,
                total=sum(run.max_steps for run in runs),
                completed=sum(run.step for run in runs),
                bits=tally(count(runs)),
            )
            if not over:
                time.sleep(QUEUE_POLL_SECONDS if detached else POLL_SECONDS)


def summarise(console: Console, plan: Plan, outputs: Path) -> int:
    """All failures, each with its reason; 0 only where every run is done or on its way."""
    jobs = sweep_status(outputs, [plan.name])
    runs = states(plan, Store(outputs), jobs)
    names = dict(zip(plan.run_ids, labels(plan.specs), strict=True))
    for run in runs:
        if run.state in ILL:
            text = f"{run.state}: {run.run_id} {names[run.run_id]}: {run.reason}"
            console.print(text, style="red", soft_wrap=True)
    print_last_words(console, outputs, runs, jobs)
    print_held(console, jobs)
    counts = count(runs)
    if counts["failed"]:
        console.print(f"rote retry {plan.name} runs what failed again")
    if counts["damaged"]:
        console.print(f"rote repair {plan.name} trains what is damaged anew")
    console.print(f"{plan.name}: {tally(counts)}")
    return 0 if sum(counts[state] for state in WELL) == len(runs) else 1


def print_last_words(console: Console, outputs: Path, runs: Sequence[RunState], jobs: Jobs) -> None:
    """The ends of the logs of jobs that ended without a word, each once."""
    lost = {run.run_id for run in runs if run.state == "lost"}
    logs = {log_of(job) for run_id, job in jobs.by_run.items() if run_id in lost}
    for path in sorted(logs):
        console.print(str(path), soft_wrap=True)
        try:
            lines = tail(path, LINES_OF_A_LOG, outputs)
        except Damaged as error:
            lines = [str(error)]
        for line in lines:
            console.print(f"  {line}", style="red", soft_wrap=True)


def print_held(console: Console, jobs: Jobs) -> None:
    """What to type for jobs that SLURM holds: they would wait for ever."""
    held = {job.job_id: job.waits_for for job in jobs.by_run.values() if job.is_held}
    for job_id, words in sorted(held.items()):
        console.print(f"job {job_id} is {words}", style="yellow", soft_wrap=True)


def tally(counts: dict[str, int]) -> str:
    """The states that occur."""
    return ", ".join(f"{number} {state}" for state, number in counts.items() if number)


def _show(
    progress: Progress, lines: dict[str, TaskID], told: set[str], run: RunState, name: str
) -> None:
    """A bar while it runs, a printed line once it has ended; ``lines`` and ``told`` are kept up."""
    if run.state == "running":
        if run.run_id not in lines:
            lines[run.run_id] = progress.add_task(f"  {name}", total=run.max_steps, bits="")
        progress.update(lines[run.run_id], completed=run.step, bits=run.told)
    elif run.state == "done" or run.run_id in lines:
        if run.run_id in lines:
            progress.remove_task(lines.pop(run.run_id))
        if run.state in LOOKS:
            told.add(run.run_id)
            progress.console.print(f"{run.state}  {name}", style=LOOKS[run.state])
