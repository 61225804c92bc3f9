"""The results of a launched sweep, as reports, fits and plans take them."""

from rote.analysis.alphas import measured_alphas
from rote.analysis.results import Results
from rote.cli.collect import curves_of, finished, table_with_speed
from rote.cluster.plan import Plan, load_plan
from rote.files import sha256
from rote.ledger.store import Store
from rote.outputs import outputs_folder
from rote.tasks.text.prepared import open_prepared
from rote.watching import Show


def gathered(name: str, show: Show) -> tuple[Plan, Results]:
    """Raises ValueError for a sweep that was not launched, or has no finished run."""
    outputs = outputs_folder()
    plan = load_plan(outputs, name)
    store = Store(outputs)
    records = finished(plan, store, show)
    folders = {record.run_id: store.run(record.run_id) for record in records}
    results = Results(
        table=table_with_speed(records, store, show),
        curves=curves_of(records, store, show),
        records_sha256={
            run_id: sha256(folder.record_path.read_bytes()) for run_id, folder in folders.items()
        },
        folders=folders,
        alphas=measured_alphas(outputs / "reports"),
        open_corpus=open_prepared,
        show=show,
    )
    return plan, results
