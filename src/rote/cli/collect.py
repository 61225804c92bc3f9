"""`rote collect`: the finished runs of a sweep as a table on disk, from here or from wandb."""

import argparse
from pathlib import Path
from typing import Any

import polars as pl

from rote.analysis.metrics import derive
from rote.analysis.results import curves_table, table_of, write_curves, write_table
from rote.cli.damage import require_no_damage
from rote.cli.gathering import collected, sound_runs, with_axes
from rote.cli.progress import Bar
from rote.cli.screen import print_json, screen
from rote.cluster.plan import Plan, launched, load_plan, sweep_folder
from rote.core.progress import Progress
from rote.io.outputs import outputs_folder
from rote.ledger.store import Store

Tables = tuple[pl.DataFrame, pl.DataFrame]  # of runs, of curves


def run(arguments: argparse.Namespace) -> int:
    """Writes table.parquet, table.csv and curves.parquet into the sweep's folder.

    The table holds settings, stored sums, all that `rote.analysis.metrics` derives of them, and the
    sweep's axes.

    Raises ValueError for runs that are damaged, once the others are written.
    """
    outputs = outputs_folder()
    folder = sweep_folder(outputs, arguments.name)
    damaged: list[str] = []
    known = not arguments.source or arguments.name in launched(outputs)
    plan = load_plan(outputs, arguments.name) if known else None
    with Bar() as progress:
        if arguments.source:
            table, curves = _from_wandb(arguments.source, arguments.name, plan, progress)
        else:
            assert plan is not None  # without a source the plan is needed, and loaded
            runs, damaged = sound_runs(plan, Store(outputs), progress)
            table = collected(plan, runs)
            curves = curves_table({run.record.run_id: run.curve for run in runs})
    write_table(table, folder)
    write_curves(curves, folder)
    if arguments.json:
        print_json(_told(folder, table, plan))
    counted = f"{table.height} of {len(plan.specs)} runs" if plan else f"{table.height} runs"
    files = f"{folder / 'table.parquet'}, table.csv, curves.parquet"
    screen().print(f"{counted}, {table.width} columns: {files}", soft_wrap=True)
    require_no_damage(damaged)
    return 0


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


def _from_wandb(source: str, name: str, plan: Plan | None, progress: Progress) -> Tables:
    """Where the sweep was launched here its runs in its order; elsewhere those of its group."""
    from rote.tracking.reading import read_back

    runs = read_back(source, name, plan.run_ids if plan else None, progress)
    if not runs:
        raise ValueError(f"{source} holds no finished run of {name!r}")
    around = {one.run_id: one.finished.circumstances for one in runs}
    table = derive(table_of([one.finished.record for one in runs], around))
    table = table if plan is None else with_axes(table, plan)
    return table, curves_table({one.run_id: one.curve for one in runs})
