"""`rote collect`: the finished runs of a sweep as a table on disk, from here or from wandb."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from rote.analysis.quantities.throughput import throughput_quantities
from rote.analysis.table import curves_table, table_of, write_curves, write_table
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.cluster.plan import Plan, launched, load_plan, sweep_folder
from rote.ledger.record import Record
from rote.ledger.store import Store
from rote.outputs import outputs_folder
from rote.watching import Show, watched

Tables = tuple[pl.DataFrame, pl.DataFrame]  # of runs, of curves
Row = dict[str, Any]


def run(arguments: argparse.Namespace) -> int:
    """Writes table.parquet, table.csv and curves.parquet into the sweep's folder."""
    outputs = outputs_folder()
    known = not arguments.source or arguments.name in launched(outputs)
    plan = load_plan(outputs, arguments.name) if known else None
    with Bar() as show:
        if arguments.source:
            table, curves = _from_wandb(arguments.source, arguments.name, plan, show)
        else:
            assert plan is not None  # without a source the plan is needed, and loaded
            table, curves = _from_disk(plan, Store(outputs), show)
    folder = sweep_folder(outputs, arguments.name)
    write_table(table, folder)
    write_curves(curves, folder)
    if arguments.json:
        print_json(_told(folder, table, plan))
        return 0
    runs = f"{table.height} of {len(plan.specs)} runs" if plan else f"{table.height} runs"
    files = f"{folder / 'table.parquet'}, table.csv, curves.parquet"
    screen().print(f"{runs}, {table.width} columns: {files}", soft_wrap=True)
    return 0


def table_with_speed(records: Sequence[Record], store: Store, show: Show) -> pl.DataFrame:
    """Stored sums, circumstances, and how fast each run was trained."""
    run_ids = [one.run_id for one in records]
    read = watched(run_ids, "reading circumstances", show)
    around = {run_id: store.run(run_id).circumstances() for run_id in read}
    return throughput_quantities(table_of(records, around))


def finished(plan: Plan, store: Store, show: Show) -> list[Record]:
    """The records that exist; raises ValueError where there is none."""
    folders = [store.run(run_id) for run_id in plan.run_ids]
    read = watched(folders, "reading records", show)
    records = [folder.record() for folder in read if folder.is_done()]
    if not records:
        raise ValueError(f"no run of {plan.name!r} is done: rote sweep {plan.name}")
    return records


def curves_of(records: Sequence[Record], store: Store, show: Show) -> dict[str, list[Row]]:
    """By run id."""
    read = watched([one.run_id for one in records], "reading curves", show)
    return {run_id: store.run(run_id).curve() for run_id in read}


def _told(folder: Path, table: pl.DataFrame, plan: Plan | None) -> dict[str, Any]:
    """For JSON; which runs are missing only a plan tells."""
    there = set(table["run_id"])
    return {
        "table_parquet": str(folder / "table.parquet"),
        "table_csv": str(folder / "table.csv"),
        "curves_parquet": str(folder / "curves.parquet"),
        "num_rows": table.height,
        "columns": table.columns,
        "missing_run_ids": [each for each in plan.run_ids if each not in there] if plan else None,
    }


def _from_disk(plan: Plan, store: Store, show: Show) -> Tables:
    records = finished(plan, store, show)
    curves = curves_of(records, store, show)
    return table_with_speed(records, store, show), curves_table(curves)


def _from_wandb(source: str, name: str, plan: Plan | None, show: Show) -> Tables:
    """Where the sweep was launched here its runs in its order; elsewhere those of its group."""
    from rote.tracking.reading import read_back  # protobuf: not for those who read the disk

    runs = read_back(source, name, plan.run_ids if plan else None, show)
    if not runs:
        raise ValueError(f"{source} holds no finished run of {name!r}")
    around = {one.run_id: one.finished.circumstances for one in runs}
    table = table_of([one.finished.record for one in runs], around)
    return throughput_quantities(table), curves_table({one.run_id: one.curve for one in runs})
