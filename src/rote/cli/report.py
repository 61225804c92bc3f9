"""`rote report`: a sweep as a page, figures, a table and a manifest; or everything as a site."""

import argparse

from rote.analysis.alphas import measured_alphas
from rote.analysis.report import write_report
from rote.analysis.results import Results
from rote.cli.collect import finished, table_with_speed
from rote.cli.screen import screen
from rote.cluster.plan import load_plan
from rote.files import sha256
from rote.ledger.store import Store
from rote.outputs import outputs_folder
from rote.site.build import build_site
from rote.tasks.text.prepared import open_prepared


def run(arguments: argparse.Namespace) -> int:
    """Writes outputs/reports/<name>/ and prints the headline; with ``all``, outputs/site/."""
    return _site() if arguments.all else _report(arguments.name)


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


def _report(name: str) -> int:
    outputs = outputs_folder()
    plan = load_plan(outputs, name)
    store = Store(outputs)
    records = finished(plan, store)
    folders = {record.run_id: store.run(record.run_id) for record in records}
    results = Results(
        table=table_with_speed(records, store),
        curves={run_id: folder.curve() for run_id, folder in folders.items()},
        records_sha256={
            run_id: sha256(folder.record_path.read_bytes()) for run_id, folder in folders.items()
        },
        folders=folders,
        alphas=measured_alphas(outputs / "reports"),
        open_corpus=open_prepared,
    )
    folder = outputs / "reports" / plan.name
    report = write_report(
        kind=plan.report, name=plan.name, question=plan.question, results=results, folder=folder
    )
    console = screen()
    if missing := len(plan.specs) - len(records):
        console.print(f"{missing} of {len(plan.specs)} runs are not done yet", style="yellow")
    for line in report.headlines:
        console.print(line)
    console.print(f"{folder / 'report.html'}")
    return 0
