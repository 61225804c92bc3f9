"""Every run of a report, with the losses behind its figures."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from rote.analysis.content import Section
from rote.analysis.elements import (
    code_cell,
    converged_cell,
    number_cell,
    scrolled,
    table,
    text_cell,
)

HEADERS = (
    ("run", ""),
    ("source", ""),
    ("series", "layers x width"),
    ("parameters", ""),
    ("pool", ""),
    ("sequences", ""),
    ("seed", ""),
    ("data / capacity", ""),
    ("train loss", "bits per token"),
    ("held-out loss", "bits per token"),
    ("steps", ""),
    ("converged", ""),
)
TEXT_COLUMNS = ("run", "source", "series", "pool", "converged")
NOTE = (
    "All of this, with every setting of every run, is in <code>table.parquet</code> and "
    "<code>table.csv</code> beside this page."
)


def runs_section(runs: pl.DataFrame) -> Section:
    """Of runs with the columns of losses and series."""
    made = table(HEADERS, map(_cells, runs.iter_rows(named=True)), text=TEXT_COLUMNS)
    return Section(title="Runs", html=f"{scrolled(made, tall=True)}\n<p>{NOTE}</p>")


def _cells(run: Mapping[str, Any]) -> list[str]:
    return [
        code_cell(run["run_id"]),
        text_cell(run["source"]),
        text_cell(run["series"]),
        number_cell(f"{run['parameters']:,}"),
        text_cell(run["task.pool"] or "train"),
        number_cell(f"{run['task.num_sequences']:,}"),
        number_cell(run["seed"]),
        number_cell(f"{run['data_per_capacity']:.3f}"),
        number_cell(f"{run['train_bits_per_token']:.3f}"),
        number_cell(f"{run['heldout_bits_per_token']:.3f}"),
        number_cell(f"{run['training.steps']:,}"),
        converged_cell(run),
    ]
