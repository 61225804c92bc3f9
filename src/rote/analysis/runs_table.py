"""List every run of a report, with the numbers behind its figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from rote.analysis.metrics import METRICS, derive
from rote.analysis.page import Section, Text
from rote.analysis.quantities.convergence import ENDED_BY, FINISH, SET_STEPS, rule_of
from rote.analysis.table import Cell, Column, Table

CONVERGED = "training.converged"
NOTE = (
    "All of this, with every setting of every run, is in <code>table.parquet</code> and "
    "<code>table.csv</code> beside this page."
)


OF_LOSSES = (
    Column.of(METRICS["name"], lambda run: (run["name"], run["run_id"])),
    Column("source", "source"),
    Column("series", "series", unit="layers x width"),
    "parameters",
    Column("pool", lambda run: run["task.pool"] or "train"),
    "task.num_sequences", "seed", "data_per_capacity", "train_bits_per_token",
    "heldout_bits_per_token", "training.steps", CONVERGED,
)  # fmt: skip


def runs_section(runs: pl.DataFrame, columns: Sequence[Column | str] = OF_LOSSES) -> Section:
    """Build the section; a column may be the name of a metric, also of one still to be derived."""
    named = [
        Column.of(METRICS[each], converged if each == CONVERGED else None)
        if isinstance(each, str)
        else each
        for each in columns
    ]
    table = Table(columns=named, rows=derive(runs, ["name"]).to_dicts(), is_tall=True)
    return Section("Runs", [table, Text(NOTE, is_html=True)])


def converged(run: Mapping[str, Any]) -> Cell:
    """Return whether a run (a row of the table) had converged, and by which rule."""
    rule, answer = rule_of(run), run["training.converged"]
    if rule == SET_STEPS:
        return Cell(text="not tested", below=rule, is_warning=True)
    return Cell(
        text="yes" if answer else "no",
        below=f"{rule}: {run[ENDED_BY]}" if rule == FINISH else rule,
        is_warning=not answer,
    )
