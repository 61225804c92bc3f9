"""`rote collect`: the finished runs of a sweep as a table on disk."""

import argparse
from collections.abc import Sequence

import polars as pl

from rote.analysis.quantities.throughput import throughput_quantities
from rote.analysis.table import table_of, write_table
from rote.cli.screen import screen
from rote.cluster.plan import Plan, load_plan
from rote.ledger.record import Record
from rote.ledger.store import Store
from rote.outputs import outputs_folder


def run(arguments: argparse.Namespace) -> int:
    """Writes table.parquet and table.csv into the sweep's folder."""
    outputs = outputs_folder()
    plan = load_plan(outputs, arguments.name)
    store = Store(outputs)
    table = table_with_speed(finished(plan, store), store)
    folder = outputs / "sweeps" / plan.name
    write_table(table, folder)
    console = screen()
    runs = f"{table.height} of {len(plan.specs)} runs"
    console.print(f"{runs}, {table.width} columns: {folder / 'table.parquet'}, table.csv")
    return 0


def table_with_speed(records: Sequence[Record], store: Store) -> pl.DataFrame:
    """Stored sums, circumstances, and how fast each run was trained."""
    around = {one.run_id: store.run(one.run_id).circumstances() for one in records}
    return throughput_quantities(table_of(records, around))


def finished(plan: Plan, store: Store) -> list[Record]:
    """The records that exist; raises ValueError where there is none."""
    folders = [store.run(run_id) for run_id in plan.run_ids]
    records = [folder.record() for folder in folders if folder.is_done()]
    if not records:
        raise ValueError(f"no run of {plan.name!r} is done: rote sweep {plan.name}")
    return records
