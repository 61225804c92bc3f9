"""`rote report`: from the records of a sweep to a page, figures, a table and a manifest."""

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
from rote.tasks.text.prepared import open_prepared


def run(arguments: argparse.Namespace) -> int:
    """Writes outputs/reports/<name>/ and prints the headline."""
    outputs = outputs_folder()
    plan = load_plan(outputs, arguments.name)
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
    if arguments.wandb:
        from rote.cli.wandb_account import account_of  # Hydra
        from rote.tracking.report_run import log_report  # wandb takes a second to import

        account = account_of(plan)
        run_id = log_report(folder, account)
        console.print(f"wandb: run {run_id} in project {account.project} ({account.mode})")
    return 0
