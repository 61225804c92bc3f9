"""`rote cancel`: end the jobs of a sweep; what is done stays, what runs keeps its checkpoint."""

import argparse

from rote.cli.screen import print_json, screen
from rote.cluster.launching import cancel
from rote.cluster.plan import Plan, load_plan
from rote.io.outputs import outputs_folder
from rote.ledger.store import Store

SHOWN_RUNS = 5


def run(arguments: argparse.Namespace) -> int:
    """`rote resume` goes on from there; raises ValueError for runs that no known job trains."""
    outputs = outputs_folder()
    plan = load_plan(outputs, arguments.name)
    jobs = cancel(outputs, plan.name)
    if arguments.json:
        print_json({"name": plan.name, "cancelled_job_ids": [job.job_id for job in jobs]})
    screen().print(f"{plan.name}: {len(jobs)} jobs cancelled; rote resume {plan.name} goes on")
    _require_all_known(plan, {run_id for job in jobs for run_id in job.run_ids}, Store(outputs))
    return 0


def _require_all_known(plan: Plan, ended: set[str], store: Store) -> None:
    left = [each for each in plan.run_ids if each not in ended and store.run(each).is_claimed()]
    if left:
        raise ValueError(
            f"{len(left)} runs ({', '.join(left[:SHOWN_RUNS])}) are trained by processes that "
            f"jobs.json of {plan.name!r} does not name: end those by hand, they keep checkpoints"
        )
