"""`rote resume`: what a launched sweep still lacks, failures left alone; reads no YAML."""

import argparse

from rote.cli.launching import launch_and_report
from rote.cli.screen import print_json, screen
from rote.cli.status import standing
from rote.cluster.plan import load_plan
from rote.cluster.status import sweep_status
from rote.io.outputs import outputs_folder
from rote.io.write import require_writable


def run(arguments: argparse.Namespace) -> int:
    """Launching twice sends nothing the second time."""
    return carry_on(arguments, mode="cached")


def carry_on(arguments: argparse.Namespace, *, mode: str) -> int:
    """The frozen plan, launched again."""
    outputs = outputs_folder()
    plan = load_plan(outputs, arguments.name)
    require_writable(outputs)
    code = launch_and_report(screen(), plan, outputs, mode=mode, wait=arguments.follow)
    if arguments.json:
        print_json(standing(outputs, [plan], sweep_status(outputs, [plan.name])))
    return code
