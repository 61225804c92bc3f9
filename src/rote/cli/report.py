"""`rote report`: a sweep as a page, figures, a table and a manifest; or everything as a site."""

import argparse
from pathlib import Path

from rich.console import Console

from rote.analysis.kinds import require_kind
from rote.analysis.report import write_report
from rote.cli.gathering import gathered
from rote.cli.screen import screen
from rote.cluster.plan import Plan
from rote.outputs import outputs_folder
from rote.site.build import build_site


def run(arguments: argparse.Namespace) -> int:
    """Writes outputs/reports/<name>/, or <name>-<kind>/ of another kind; with all, outputs/site/.

    Prints the headline; with wandb, logs the report as a run.
    """
    console = screen()
    if arguments.all:
        _site(console)
        return 0
    plan, folder = _report(console, arguments.name, arguments.kind)
    if arguments.wandb:
        _log(console, plan, folder)
    return 0


def _site(console: Console) -> None:
    built = build_site(outputs_folder())
    for line in built.damaged:
        console.print(line, style="yellow", markup=False)
    console.print(
        f"{built.num_sweeps} sweeps, {built.num_runs:,} runs; "
        f"{built.num_written} of {built.num_files} files are new or changed"
    )
    console.print(f"{built.index}", soft_wrap=True)


def _report(console: Console, sweep: str, other_kind: str | None) -> tuple[Plan, Path]:
    plan, results = gathered(sweep)
    kind = require_kind(other_kind or plan.report)
    name = plan.name if kind == plan.report else f"{plan.name}-{kind}"
    folder = outputs_folder() / "reports" / name
    report = write_report(
        kind=kind, name=plan.name, question=plan.question, results=results, folder=folder
    )
    if missing := len(plan.specs) - results.table.height:
        console.print(f"{missing} of {len(plan.specs)} runs are not done yet", style="yellow")
    for line in report.headlines:
        console.print(line)
    console.print(f"{folder / 'report.html'}")
    return plan, folder


def _log(console: Console, plan: Plan, folder: Path) -> None:
    from rote.cli.wandb_account import account_of  # Hydra
    from rote.tracking.report_run import log_report  # wandb takes a second to import

    account = account_of(plan)
    run_id = log_report(folder, account)
    console.print(f"wandb: run {run_id} in project {account.project} ({account.mode})")
