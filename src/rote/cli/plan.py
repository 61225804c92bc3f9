"""`rote plan`: for a budget or a ceiling, which size and how much data, and what it leaks."""

import argparse
import shlex
import sys
from dataclasses import asdict

from rich.console import Console

from rote.analysis.laws.law import RunCount
from rote.analysis.quantities.scaling import scaling_runs
from rote.cli.damage import require_no_damage
from rote.cli.gathering import gathered, needs_columns
from rote.cli.progress import Bar
from rote.cli.screen import grid, print_json, screen
from rote.core.progress import Progress
from rote.io.outputs import outputs_folder
from rote.io.write import named_by_digest, require_writable, write_json
from rote.planner.fitted import fitted_estimates, published_estimates
from rote.planner.formatting import amount
from rote.planner.law_estimates import LawEstimates
from rote.planner.page import plan_json, sizes, write_plan
from rote.planner.plan import TrainingPlan, make_plan
from rote.planner.request import DEVICE_FLOPS_PER_SECOND, PlanRequest
from rote.planner.wording import answer, notes

NARROW = 120  # columns of a screen


def run(arguments: argparse.Namespace) -> int:
    """Writes outputs/plans/<from>-<digest of what is asked>/, and prints the table.

    Raises ValueError for runs that are damaged, once the others have given their laws.
    """
    question = _question(arguments)
    outputs = require_writable(outputs_folder())
    with Bar() as progress:
        estimates, damaged = _estimates(arguments, progress)
        progress("planning", 0, None)
        plan = make_plan(question, estimates)
    asked = [asdict(question), arguments.count]
    name = named_by_digest("published" if arguments.source is None else arguments.source, asked)
    folder = outputs / "plans" / name
    content = plan_json(plan)
    write_plan(plan, folder / "plan.html", shlex.join(["rote", *sys.argv[1:]]))
    write_json(folder / "plan.json", content)
    if arguments.json:
        print_json({"page": str(folder / "plan.html"), **content})
    console = screen()
    _print(console, plan)
    console.print(f"{folder / 'plan.html'}", soft_wrap=True)
    require_no_damage(damaged)
    return 0


def _question(arguments: argparse.Namespace) -> PlanRequest:
    def asked(name: str) -> float | None:
        text = getattr(arguments, name)
        return None if text is None else amount(text, f"--{name.replace('_', '-')}")

    sizes = arguments.params.split(",") if arguments.params else []
    return PlanRequest(
        flops=asked("flops"),
        loss_nats=asked("loss"),
        tokens=asked("tokens"),
        parameters=tuple(amount(each, "--params") for each in sizes),
        max_f1=asked("max_f1"),
        max_exposure_bits=asked("max_exposure"),
        max_extracted=asked("max_extracted"),
        device_flops_per_second=asked("device_flops") or DEVICE_FLOPS_PER_SECOND,
    )


def _estimates(arguments: argparse.Namespace, progress: Progress) -> tuple[LawEstimates, list[str]]:
    """And why runs of the sweep were left out."""
    if arguments.source is None:
        return published_estimates(), []
    plan, results, damaged = gathered(
        arguments.source, progress, capacity_from=arguments.capacity_from
    )
    progress("fitting laws", 0, None)
    count = RunCount(arguments.count)
    with needs_columns(plan.name):
        estimates = fitted_estimates(plan.name, scaling_runs(results, count), count, results.alphas)
    return estimates, damaged


def _print(console: Console, plan: TrainingPlan) -> None:
    for line in answer(plan):
        console.print(line, style="bold", soft_wrap=True)
    is_narrow = console.width < NARROW
    table = sizes(plan, is_narrow=is_narrow, is_brief=True)
    styles = [
        "bold" if index == plan.best else "dim" if row.breaks else ""
        for index, row in enumerate(plan.rows)
    ]
    if table.folded:
        console.print(f"The same in all rows: {table.folded}.", soft_wrap=True)
    console.print(grid(table, styles=styles, is_stacked=True, box=None, header_style="bold"))
    if is_narrow:
        console.print("plan.html has more columns, as a wider screen would", style="dim")
    for note in notes(plan):
        console.print(f"- {note}", soft_wrap=True)
