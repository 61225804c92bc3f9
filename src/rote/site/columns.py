"""Present one sweep as columns: run states, settings, stored sums, and derived numbers."""

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from rote.analysis.metrics import METRICS, derive, metric_of
from rote.analysis.overviews import overview_of
from rote.analysis.results import FinishedRun, table_of
from rote.cluster.status import varying_keys
from rote.config.names import is_seed, setting_words, short_names
from rote.core.provenance import code_versions
from rote.io.read import Damaged, read_bytes
from rote.ledger.spec import flatten
from rote.site.catalogue import SINGLE, Records, SweepEntry, short

Column = dict[str, Any]

NUMBERS = {int, float}
# Raised if the records of a sweep do not form one table, or lack the parts of a ratio.
CANNOT = (ValueError, KeyError, pl.exceptions.PolarsError)
MAIN = {name for name, metric in METRICS.items() if metric.is_main}


def sweep_data(sweep: SweepEntry, records: Records, report: Path) -> dict[str, Any]:
    """Return JSON-ready ids, columns in the plan's order, settings common to all runs, and notes.

    ``report`` is the table.parquet of the last report; columns that only it derives are added.
    """
    plan = sweep.plan
    finished, damaged = records.of_runs(zip(plan.points, sweep.runs, strict=True))
    settings, shared = _settings(sweep)
    columns = [*_standing(sweep, damaged), *settings]
    versions = code_versions(run.circumstances for run in finished.values())
    notes = [versions] if versions and plan.name != SINGLE else []
    notes += [f"{run_id}: {why}" for run_id, why in damaged.items()]
    known = {*shared, *(column["key"] for column in columns)}
    for group, read in (
        ("measured", partial(measured, [*finished.values()])),
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
    columns.sort(key=_rank)
    reasons = [damaged.get(run.run_id, run.reason) for run in sweep.runs]
    columns += _column("reason", "standing", reasons, is_shown=True)
    return {
        "name": plan.name,
        "ids": plan.run_ids,
        "columns": columns,
        "shared": shared,
        "notes": notes,
        "axes": overview_of(plan.report).axes,
    }


def _rank(column: Column) -> int:
    """Return the order of a column: state, derived numbers, parameters, then the rest."""
    key = column["key"]
    if key in MAIN:
        return 1 if METRICS[key].expression is not None else 2
    return {"state": 0, "parameters": 2}.get(key, 3)


def measured(
    finished: Sequence[FinishedRun], names: Iterable[str] | None = None
) -> pl.DataFrame | None:
    """Return stored sums and derived columns, all or these ``names``; None without runs.

    Raises ValueError if one column would hold values of different types.
    """
    return derive(table_of(finished), names) if finished else None


def _standing(sweep: SweepEntry, damaged: Mapping[str, str]) -> list[Column]:
    states = ["damaged" if run.run_id in damaged else run.state for run in sweep.runs]
    steps = [None if run.state == "done" else run.step for run in sweep.runs]
    # Known before a run is done; 0 for a run of no sweep until its record counts them.
    parameters = [point.parameters or None for point in sweep.plan.points]
    return [
        *_column("state", "standing", states, is_shown=True),
        *_column("step", "standing", steps, is_shown=False),
        *_column("parameters", "standing", parameters, is_shown=True),
    ]


def _settings(sweep: SweepEntry) -> tuple[list[Column], dict[str, Any]]:
    """Return names, controls and varying keys of conf as columns, and the other keys' values."""
    specs = sweep.plan.specs
    rows = [flatten(spec.what) for spec in specs]
    shown = set(varying_keys(specs))
    controls = [", ".join(spec.controls).replace("_", " ") or None for spec in specs]
    columns = [
        *_column("name", "setting", [*map(setting_words, rows)], is_shown=False),
        *_column("controls", "setting", controls, is_shown=True),
    ]
    shared: dict[str, Any] = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(key) for row in rows]
        if all(value == values[0] for value in values):
            shared[key] = values[0]
        else:
            columns += _column(key, "setting", values, is_shown=key in shown)
    headed = [column for column in columns if column["shown"]]
    names = short_names(column["key"] for column in headed)
    titles = Counter(column["title"] for column in headed)
    for column in headed:
        if titles[column["title"]] > 1:
            column["title"] = names[column["key"]]
    for column in columns:
        if is_seed(column["key"]):
            column["seed"] = True
    return columns, shared


def _reported(path: Path) -> pl.DataFrame | None:
    """Read the table of a report; raises ValueError for another file."""
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
    """Return the table's columns in the order of ``run_ids``; null for missing runs."""
    place = {run_id: index for index, run_id in enumerate(table["run_id"])}
    order = [place.get(run_id) for run_id in run_ids]
    columns: list[Column] = []
    for key in table.columns:
        if key in leaving_out or key == "run_id" or table[key].dtype.is_nested():
            continue
        held = table[key].to_list()
        values = [None if index is None else held[index] for index in order]
        columns += _column(key, group, values, is_shown=key in MAIN)
    return columns


def _column(key: str, group: str, values: Sequence[Any], *, is_shown: bool) -> Iterator[Column]:
    """Yield a column with title, unit and form, unless it has no value.

    Numbers stay as they are; other values become indices into a list of words. Mixed types raise
    nothing: they become words.
    """
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return
    metric = metric_of(key)
    column = {
        "key": key, "group": group, "shown": is_shown, "title": metric.title, "unit": metric.unit,
        "form": metric.form,
    }  # fmt: skip
    if kinds <= NUMBERS:
        yield {**column, "values": short(values)}
        return
    named = [None if value is None else _word(key, value) for value in values]
    words = list(dict.fromkeys(word for word in named if word is not None))
    codes = {word: code for code, word in enumerate(words)} | {None: -1}
    yield {**column, "words": words, "codes": [codes[word] for word in named]}


def _word(key: str, value: Any) -> str:
    """Return the word for a value; for a class its own name."""
    if key.endswith("_target_"):
        return str(value).rpartition(".")[2]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value)
