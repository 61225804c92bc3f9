"""`rote report`: a sweep as a page, figures, a table and a manifest; or everything as a site."""

import argparse

from rote.analysis.kinds import require_kind
from rote.analysis.report import write_report
from rote.cli.gathering import gathered
from rote.cli.screen import screen
from rote.outputs import outputs_folder
from rote.site.build import build_site


def run(arguments: argparse.Namespace) -> int:
    """Writes outputs/reports/<name>/, or <name>-<kind>/ of another kind; with all, outputs/site/.

    Prints the headline.
    """
    return _site() if arguments.all else _report(arguments.name, arguments.kind)


def _site() -> int:
    built = build_site(outputs_folder())
    console = screen()
    for line in built.damaged:
        console.print(line, style="yellow", markup=False)
    console.print(
        f"{built.num_sweeps} sweeps, {built.num_runs:,} runs; "
        f"{built.num_written} of {built.num_files} files are new or changed"
    )
    console.print(f"{built.index}", soft_wrap=True)
    return 0


def _report(sweep: str, other_kind: str | None) -> int:
    plan, results = gathered(sweep)
    kind = require_kind(other_kind or plan.report)
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
