"""`rote report`: from the records of a sweep to a page, figures, a table and a manifest."""

import argparse

from rote.analysis.report import write_report
from rote.cli.collect import finished, table_with_speed
from rote.cli.screen import screen
from rote.cluster.plan import load_plan
from rote.files import sha256
from rote.ledger.store import Store
from rote.outputs import outputs_folder


def run(arguments: argparse.Namespace) -> int:
    """Writes outputs/reports/<name>/ and prints the headline."""
    outputs = outputs_folder()
    plan = load_plan(outputs, arguments.name)
    store = Store(outputs)
    records = finished(plan, store)
    folders = [store.run(record.run_id) for record in records]
    folder = outputs / "reports" / plan.name
    report = write_report(
        name=plan.name,
        question=plan.question,
        table=table_with_speed(records, store),
        curves={run.run_id: run.curve() for run in folders},
        folder=folder,
        records={run.run_id: sha256(run.record_path.read_bytes()) for run in folders},
    )
    console = screen()
    if missing := len(plan.specs) - len(records):
        console.print(f"{missing} of {len(plan.specs)} runs are not done yet", style="yellow")
    for line in report.headlines:
        console.print(line)
    console.print(f"{folder / 'report.html'}")
    return 0
