"""`rote cancel`: end the jobs of a sweep; what is done stays, what runs keeps its checkpoint."""

import argparse

from rote.cli.screen import print_json, screen
from rote.cluster.launching import cancel
from rote.cluster.plan import load_plan
from rote.outputs import outputs_folder


def run(arguments: argparse.Namespace) -> int:
    """`rote resume` goes on from there."""
    outputs = outputs_folder()
    plan = load_plan(outputs, arguments.name)
    jobs = cancel(outputs, plan.name)
    if arguments.json:
        print_json({"name": plan.name, "cancelled_job_ids": [job.job_id for job in jobs]})
    screen().print(f"{plan.name}: {len(jobs)} jobs cancelled; rote resume {plan.name} goes on")
    return 0
