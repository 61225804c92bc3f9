"""`rote report`: from the records of a sweep to a page, figures, a table and a manifest."""

import argparse

from rote.analysis.alphas import measured_alphas
from rote.analysis.kinds import require_kind
from rote.analysis.report import write_report
from rote.analysis.results import Results
from rote.cli.collect import finished, table_with_speed
from rote.cli.screen import screen
from rote.cluster.plan import load_plan
from rote.files import sha256
from rote.ledger.store import Store
from rote.outputs import outputs_folder
from rote.tasks.text.prepared import open_prepared


def run(arguments: argparse.Namespace) -> int:
    """Writes outputs/reports/<name>/, or <name>-<kind>/ of another kind; prints the headline."""
    outputs = outputs_folder()
    plan = load_plan(outputs, arguments.name)
    kind = require_kind(arguments.kind or plan.report)
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
    folder = outputs / "reports" / (plan.name if kind == plan.report else f"{plan.name}-{kind}")
    report = write_report(
        kind=kind, name=plan.name, question=plan.question, results=results, folder=folder
    )
    console = screen()
    if missing := len(plan.specs) - len(records):
        console.print(f"{missing} of {len(plan.specs)} runs are not done yet", style="yellow")
    for line in report.headlines:
        console.print(line)
    console.print(f"{folder / 'report.html'}")
    return 0
