"""`rote report`: from the records of a sweep to a page, figures, a table and a manifest."""

import argparse

from rote.analysis.kinds import require_kind
from rote.analysis.report import write_report
from rote.cli.gathering import gathered
from rote.cli.screen import screen
from rote.outputs import outputs_folder


def run(arguments: argparse.Namespace) -> int:
    """Writes outputs/reports/<name>/, or <name>-<kind>/ of another kind; prints the headline."""
    plan, results = gathered(arguments.name)
    kind = require_kind(arguments.kind or plan.report)
    name = plan.name if kind == plan.report else f"{plan.name}-{kind}"
    folder = outputs_folder() / "reports" / name
    report = write_report(
        kind=kind, name=plan.name, question=plan.question, results=results, folder=folder
    )
    console = screen()
    if missing := len(plan.specs) - results.table.height:
        console.print(f"{missing} of {len(plan.specs)} runs are not done yet", style="yellow")
    for line in report.headlines:
        console.print(line)
    console.print(f"{folder / 'report.html'}")
    return 0
