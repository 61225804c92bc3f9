"""The report: a page, its figures, the table, and a manifest of every record behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from rote.analysis import wording
from rote.analysis.figures import (
    draw_bits_per_parameter,
    draw_memorised_bits,
    draw_training_curves,
)
from rote.analysis.page import page
from rote.analysis.summary import Alpha, Capacity, Summary, summarise
from rote.analysis.table import write_table
from rote.files import sha256, write_bytes, write_json

Curve = Sequence[Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was written, and what the terminal says about it."""

    folder: Path
    page: Path
    headlines: tuple[str, ...]  # one per precision
    summary: Summary


def write_report(
    *,
    name: str,
    question: str,
    table: pl.DataFrame,
    curves: Mapping[str, Curve],
    folder: Path,
    records: Mapping[str, str],
) -> Report:
    """Fit, draw and write; ``records`` holds the SHA-256 of the record of every run.

    Raises ValueError for an empty table, mixed settings, or a run without its curve or record.
    Nothing is written before everything is made; the manifest, written last, completes the report.
    """
    _require(table["run_id"], curves, "training curve")
    _require(table["run_id"], records, "record digest")
    summary = summarise(table)
    drawings = (
        draw_memorised_bits(summary),
        draw_bits_per_parameter(summary),
        draw_training_curves(summary, curves),
    )
    files = {
        **{f"{drawing.name}.svg": drawing.svg for drawing in drawings},
        **{f"{drawing.name}.png": drawing.png for drawing in drawings},
        "report.html": page(
            name=name, question=question, summary=summary, drawings=drawings
        ).encode(),
    }
    for filename, data in files.items():
        write_bytes(folder / filename, data)
    write_table(summary.runs, folder)
    manifest = {
        "name": name,
        "question": question,
        "figures": {drawing.name: list(table["run_id"]) for drawing in drawings},
        "numbers": _numbers(summary),
        "records_sha256": {run_id: records[run_id] for run_id in table["run_id"]},
        "files_sha256": {
            filename: sha256((folder / filename).read_bytes())
            for filename in (*files, "table.parquet", "table.csv")
        },
    }
    write_json(folder / "manifest.json", manifest)
    return Report(
        folder=folder,
        page=folder / "report.html",
        headlines=tuple(wording.headline(alpha) for alpha in summary.alphas),
        summary=summary,
    )


def _require(run_ids: pl.Series, held: Mapping[str, object], what: str) -> None:
    for run_id in run_ids:
        if run_id not in held:
            raise ValueError(f"run {run_id} has no {what}")


def _numbers(summary: Summary) -> dict[str, Any]:
    alphas = {f"alpha {each.precision}": _alpha_entry(each) for each in summary.alphas}
    capacities = {
        f"capacity {each.model} {each.precision}": _capacity_entry(each)
        for each in summary.capacities
    }
    return alphas | capacities


def _alpha_entry(alpha: Alpha) -> dict[str, Any]:
    return {
        "bits_per_parameter": alpha.bits_per_parameter,
        "interval_bits_per_parameter": alpha.slope and alpha.slope.interval_bits_per_parameter,
        "lower_bound": alpha.is_lower_bound,
        "models": alpha.models,
        "runs": alpha.run_ids,
    }


def _capacity_entry(capacity: Capacity) -> dict[str, Any]:
    return {
        "bits_per_parameter": capacity.bits_per_parameter,
        "interval_bits_per_parameter": capacity.interval_bits_per_parameter,
        "maximum_bits": capacity.maximum_bits,
        "lower_bound_reason": capacity.lower_bound_reason,
        "runs": capacity.run_ids,
    }
