"""`rote collect`: the finished runs of a sweep as a table on disk, from here or from wandb."""

import argparse
from collections.abc import Sequence

import polars as pl

from rote.analysis.quantities.throughput import throughput_quantities
from rote.analysis.table import curves_table, table_of, write_curves, write_table
from rote.cli.screen import screen
from rote.cluster.plan import Plan, launched, load_plan, sweep_folder
from rote.ledger.record import Record
from rote.ledger.store import Store
from rote.outputs import outputs_folder

Tables = tuple[pl.DataFrame, pl.DataFrame]  # of runs, of curves


def run(arguments: argparse.Namespace) -> int:
    """Writes table.parquet, table.csv and curves.parquet into the sweep's folder."""
    outputs = outputs_folder()
    known = not arguments.source or arguments.name in launched(outputs)
    plan = load_plan(outputs, arguments.name) if known else None
    if arguments.source:
        table, curves = _from_wandb(arguments.source, arguments.name, plan)
    else:
        assert plan is not None  # without a source the plan is needed, and loaded
        table, curves = _from_disk(plan, Store(outputs))
    folder = sweep_folder(outputs, arguments.name)
    write_table(table, folder)
    write_curves(curves, folder)
    runs = f"{table.height} of {len(plan.specs)} runs" if plan else f"{table.height} runs"
    files = f"{folder / 'table.parquet'}, table.csv, curves.parquet"
    screen().print(f"{runs}, {table.width} columns: {files}")
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


def _from_disk(plan: Plan, store: Store) -> Tables:
    records = finished(plan, store)
    curves = {record.run_id: store.run(record.run_id).curve() for record in records}
    return table_with_speed(records, store), curves_table(curves)


def _from_wandb(source: str, name: str, plan: Plan | None) -> Tables:
    """Where the sweep was launched here its runs in its order; elsewhere those of its group."""
    from rote.tracking.reading import read_back  # protobuf: not for those who read the disk

    runs = read_back(source, name, plan.run_ids if plan else None)
    if not runs:
        raise ValueError(f"{source} holds no finished run of {name!r}")
    around = {one.run_id: one.finished.circumstances for one in runs}
    table = table_of([one.finished.record for one in runs], around)
    return throughput_quantities(table), curves_table({one.run_id: one.curve for one in runs})
