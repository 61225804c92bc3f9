"""`rote report`: a sweep as a page, figures, a table and a manifest; or everything as a site."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from rote.analysis.report import Report, require_kind, write_report
from rote.analysis.results import Results
from rote.cli.damage import require_no_damage
from rote.cli.gathering import gathered, needs_columns
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.cluster.plan import Plan
from rote.io.outputs import below, outputs_folder
from rote.io.write import require_writable
from rote.site.site import Built, build_site
from rote.tracking.session import allowed_mode


def run(arguments: argparse.Namespace) -> int:
    """Writes outputs/reports/<name>/, or <name>-<kind>/ of another kind; with all, outputs/site/.

    Prints the headline; with wandb, logs the report as a run. Raises ValueError for runs that are
    damaged, once the others are reported.
    """
    if arguments.wandb and allowed_mode("online") == "disabled":
        raise ValueError("--wandb: WANDB_MODE or WANDB_DISABLED turns wandb off")
    if arguments.all:
        _site(as_json=arguments.json)
        return 0
    with Bar() as show:
        plan, results, damaged = gathered(
            arguments.name, show, capacity_from=arguments.capacity_from
        )
        require_writable(outputs_folder())
        report = _written(plan, arguments.kind, results)
    console = screen()
    _print(console, plan, results, report)
    run_id = _log(console, plan, report.folder) if arguments.wandb else None
    if arguments.json:
        print_json(_told(plan, results, report) | {"wandb_run_id": run_id})
    require_no_damage(damaged)
    return 0


def _site(*, as_json: bool) -> None:
    with Bar() as show:
        built = build_site(require_writable(outputs_folder()), show)
    if as_json:
        print_json(asdict(built) | {"index": str(built.index)})
    else:
        _print_site(screen(), built)


def _print_site(console: Console, built: Built) -> None:
    for line in built.damaged:
        console.print(line, style="yellow", markup=False)
    console.print(
        f"{built.num_sweeps} sweeps, {built.num_runs:,} runs; "
        f"{built.num_written} of {built.num_files} files are new or changed"
    )
    console.print(f"{built.index}", soft_wrap=True)


def _written(plan: Plan, other_kind: str | None, results: Results) -> Report:
    kind = require_kind(other_kind or plan.report)
    name = plan.name if kind == plan.report else f"{plan.name}-{kind}"
    folder = below(outputs_folder() / "reports", "a report's name", name)
    with needs_columns(plan.name):
        return write_report(
            kind=kind, name=plan.name, question=plan.question, results=results, folder=folder
        )


def _print(console: Console, plan: Plan, results: Results, report: Report) -> None:
    if missing := len(plan.specs) - results.table.height:
        console.print(f"{missing} of {len(plan.specs)} runs are not in it", style="yellow")
    for line in report.headlines:
        console.print(line)
    console.print(f"{report.page}", soft_wrap=True)


def _told(plan: Plan, results: Results, report: Report) -> dict[str, Any]:
    return {
        "name": plan.name,
        "question": plan.question,
        "page": str(report.page),
        "manifest": str(report.folder / "manifest.json"),
        "num_runs": len(plan.specs),
        "num_done": results.table.height,
        "headlines": list(report.headlines),
        "numbers": dict(report.numbers),
    }


def _log(console: Console, plan: Plan, folder: Path) -> str:
    from rote.cli.wandb_account import account_of  # Hydra
    from rote.tracking.report_run import log_report  # wandb takes a second to import

    account = account_of(plan)
    run_id = log_report(folder, account)
    mode = allowed_mode(account.mode)
    console.print(f"wandb: run {run_id} in project {account.project} ({mode})")
    return run_id
