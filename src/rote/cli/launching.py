"""What every command that launches a plan does, and says; no torch."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from rote.cli.follow import follow, summarise
from rote.cluster.launching import cancel, launch, wait_for_end
from rote.cluster.plan import Plan

LAST_CHECKPOINT_SECONDS = 30.0
SHOWN_JOBS = 8


def launch_and_report(console: Console, plan: Plan, outputs: Path, *, mode: str, wait: bool) -> int:
    """Send what is left; follow it where this terminal holds it or ``wait`` says so."""
    launched = launch(plan, outputs, mode)
    if launched.job_ids:
        console.print(f"{launched.num_runs} runs in {_jobs(launched.job_ids)}")
    if launched.detached and not wait:
        if not launched.job_ids:
            return summarise(console, plan, outputs)
        console.print(f"rote status {plan.name} tells where they stand")
        return 0
    try:
        follow(console, plan, outputs, detached=launched.detached)
    except KeyboardInterrupt:
        if launched.job_ids and not launched.detached:
            cancel(outputs, plan.name)
            wait_for_end(outputs, plan.name, limit_seconds=LAST_CHECKPOINT_SECONDS)
        raise
    return summarise(console, plan, outputs)


def _jobs(job_ids: Sequence[str]) -> str:
    shown = ", ".join(job_ids[:SHOWN_JOBS])
    more = "" if len(job_ids) <= SHOWN_JOBS else f", ... {job_ids[-1]}"
    return f"{len(job_ids)} job{'s' if len(job_ids) > 1 else ''}: {shown}{more}"
