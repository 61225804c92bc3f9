"""One sweep as columns: where each run stands, its settings, its sums, what is derived of them."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from rote.analysis.frame import table_of
from rote.analysis.quantities.capacity import capacity_quantities
from rote.analysis.quantities.losses import loss_quantities
from rote.analysis.quantities.throughput import throughput_quantities
from rote.cluster.status import varying_keys
from rote.ledger.spec import flatten
from rote.reading.files import Damaged, read_bytes
from rote.site.catalogue import Sweep
from rote.site.records import Finished, Records
from rote.site.scripts import short

Column = dict[str, Any]

NUMBERS = {int, float}
# Records of one sweep that do not make one table, or lack what a ratio is made of.
CANNOT = (ValueError, KeyError, pl.exceptions.PolarsError)
LOSSES = ("train_bits_per_token", "heldout_bits_per_token")
OF_LOSSES = {
    f"cost.{side}_{what}" for side in ("train", "heldout") for what in ("code_bits", "tokens")
}
OF_CAPACITY = {"cost.train_first_token_code_bits"} | OF_LOSSES
RATIOS = ("memorised_bits", "bits_per_parameter", *LOSSES)
# Shown without being asked for, where there are such columns; all others can be chosen.
MAIN = (*RATIOS, "training.steps")


def sweep_data(sweep: Sweep, records: Records, report: Path) -> dict[str, Any]:
    """JSON-ready: ids, columns in the plan's order, settings that all runs share, notes.

    ``report`` is the table.parquet of its last report; what only that derives is added.
    """
    plan = sweep.plan
    finished, damaged = records.of_runs(zip(plan.points, sweep.runs, strict=True))
    settings, shared = _settings(sweep)
    columns = [*_standing(sweep, damaged), *settings]
    notes = [f"{run_id}: {why}" for run_id, why in damaged.items()]
    known = {*shared, *(column["key"] for column in columns)}
    for group, read in (
        ("measured", partial(measured, list(finished.values()))),
        ("reported", partial(_reported, report)),
    ):
        try:
            table = read()
        except CANNOT as error:
            notes.append(f"no columns of what is {group}: {error}")
            continue
        if table is not None:
            columns += _aligned(table, plan.run_ids, group, leaving_out=known)
            known |= {column["key"] for column in columns}
    reasons = [damaged.get(run.run_id, run.reason) for run in sweep.runs]
    if reason := _column("reason", "standing", reasons, is_shown=True):
        columns.append(reason)
    return {
        "name": plan.name,
        "ids": plan.run_ids,
        "columns": columns,
        "shared": shared,
        "notes": notes,
    }


def measured(finished: Sequence[Finished]) -> pl.DataFrame | None:
    """Stored sums with the ratios that need nothing but the run itself; None of no runs.

    Raises ValueError where one column would hold values of different kinds.
    """
    if not finished:
        return None
    around = {one.record.run_id: one.circumstances for one in finished}
    table = throughput_quantities(table_of([one.record for one in finished], around))
    if set(table.columns) >= OF_LOSSES:
        table = table.with_columns(loss_quantities(table, {}).select(LOSSES))
    if set(table.columns) >= OF_CAPACITY and "size.width" in table.columns:
        table = capacity_quantities(table)
    return table


def derived(finished: Sequence[Finished]) -> dict[str, dict[str, float | None]]:
    """Those ratios alone, by run id."""
    table = measured(finished)
    if table is None:
        return {}
    names = [name for name in RATIOS if name in table.columns]
    rows = table.select("run_id", *names).rows(named=True)
    return {row.pop("run_id"): row for row in rows}


def _standing(sweep: Sweep, damaged: Mapping[str, str]) -> list[Column]:
    states = ["damaged" if run.run_id in damaged else run.state for run in sweep.runs]
    steps = [None if run.state == "done" else run.step for run in sweep.runs]
    # Known before a run is done; 0 for a run of no sweep, which nobody has counted.
    parameters = [point.parameters or None for point in sweep.plan.points]
    columns = [
        _column("state", "standing", states, is_shown=True),
        _column("step", "standing", steps, is_shown=False),
        _column("parameters", "standing", parameters, is_shown=True),
    ]
    return [column for column in columns if column]


def _settings(sweep: Sweep) -> tuple[list[Column], dict[str, Any]]:
    """Keys of conf that differ, as columns, and the others with their one value."""
    specs = sweep.plan.specs
    rows = [flatten(spec.what) for spec in specs]
    shown = set(varying_keys(specs))
    columns, shared = [], {}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(key) for row in rows]
        if all(value == values[0] for value in values):
            shared[key] = values[0]
        elif column := _column(key, "setting", values, is_shown=key in shown):
            columns.append(column)
    return columns, shared


def _reported(path: Path) -> pl.DataFrame | None:
    """Raises ValueError and what polars raises for a file that is not the table of a report."""
    try:
        table = pl.read_parquet(io.BytesIO(read_bytes(path)))
    except FileNotFoundError:
        return None
    except pl.exceptions.PolarsError as error:
        raise Damaged(path, error, "rote report writes it anew") from error
    if "run_id" not in table.columns or table["run_id"].dtype != pl.String:
        raise Damaged(path, "it has no column of run ids", "rote report writes it anew")
    return table


def _aligned(
    table: pl.DataFrame, run_ids: Sequence[str], group: str, *, leaving_out: Iterable[str]
) -> list[Column]:
    """Its columns in the order of ``run_ids``; null where it has no such run."""
    place = {run_id: index for index, run_id in enumerate(table["run_id"])}
    order = [place.get(run_id) for run_id in run_ids]
    columns = []
    for key in table.columns:
        if key in leaving_out or key == "run_id" or table[key].dtype.is_nested():
            continue
        held = table[key].to_list()
        values = [None if index is None else held[index] for index in order]
        if column := _column(key, group, values, is_shown=key in MAIN):
            columns.append(column)
    return columns


def _column(key: str, group: str, values: Sequence[Any], *, is_shown: bool) -> Column | None:
    """Numbers as they are, anything else by its word's place in a list; None for no value at all.

    Raises nothing for mixed kinds: they are words then.
    """
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return None
    column = {"key": key, "group": group, "shown": is_shown}
    if kinds <= NUMBERS:
        return {**column, "values": short(values)}
    said = [None if value is None else _word(value) for value in values]
    words = list(dict.fromkeys(word for word in said if word is not None))
    codes = {word: code for code, word in enumerate(words)}
    return {**column, "words": words, "codes": [codes.get(word, -1) for word in said]}  # type: ignore[arg-type]


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
