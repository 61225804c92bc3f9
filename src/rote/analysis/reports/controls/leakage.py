"""What one run leaks, in the kinds that a report on controls knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.quantities.exposure import exposures
from rote.analysis.results import Results


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A column of the table and how its numbers are told."""

    column: str
    title: str
    unit: str
    form: str
    change: str  # the form of a difference


KINDS = (
    Kind(
        column="exposure_bits", title="exposure of the most repeated canaries", unit="bits",
        form="{:.2f}", change="{:+.2f}",
    ),
    Kind(
        column="extracted_share", title="share of these canaries extracted", unit="",
        form="{:.0%}", change="{:+.0%}",
    ),
    Kind(
        column="memorised_bits", title="bits memorised", unit="bits",
        form="{:,.0f}", change="{:+,.0f}",
    ),
)  # fmt: skip
LEAKS = [kind.column for kind in KINDS]
DRAWN = "exact_match.train_drawn_"
TASKS = {
    "rote.tasks.uniform.Uniform": "random tokens",
    "rote.tasks.text.task.Text": "text",
    "rote.tasks.random_labels.RandomLabels": "random labels",
}


def with_leakage(results: Results, runs: pl.DataFrame) -> pl.DataFrame:
    """Columns added: ``panel``, held-out loss, one for each kind, null where it is not measured.

    Memorised bits are the entropy of what no rule tells, less its code length: of labels that were
    drawn, or of a whole training set of known entropy. ``drawn_right`` is of such labels the share
    told right.
    """
    canaries = [_canaries(results, row) for row in runs.iter_rows(named=True)]
    whole = _column(runs, "entropy_bits") - _column(runs, "cost.train_code_bits")
    drawn = _column(runs, f"{DRAWN}answer_bits") - _column(runs, f"{DRAWN}answer_code_bits")
    tried = _column(runs, f"{DRAWN}tried")
    is_labels = pl.col("task._target_") == "rote.tasks.random_labels.RandomLabels"
    return runs.with_columns(
        panel=_panel(runs),
        heldout_bits_per_token=_column(runs, "cost.heldout_code_bits")
        / _column(runs, "cost.heldout_tokens"),
        exposure_bits=pl.Series([each[0] for each in canaries], dtype=pl.Float64),
        extracted_share=pl.Series([each[1] for each in canaries], dtype=pl.Float64),
        memorised_bits=pl.when(is_labels).then(drawn).otherwise(whole),
        drawn_right=pl.when(tried > 0).then(_column(runs, f"{DRAWN}right_free") / tried),
    )


def _canaries(results: Results, run: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Mean exposure and share extracted of those that were inserted most often."""
    if run.get("exposure.canaries") is None:
        return None, None
    arrays = results.folders[run["run_id"]].arrays()
    found = exposures(arrays)
    most_K = found.repeats_K == found.repeats_K.max()
    extracted_K = arrays.get("exposure.is_extracted")
    return (
        float(found.bits_K[most_K].mean()),
        None if extracted_K is None else float(extracted_K[most_K].astype(np.float64).mean()),
    )


def _panel(runs: pl.DataFrame) -> pl.Expr:
    """What is trained on; sizes and shares of random labels tell panels apart where they differ."""
    base = "task.base._target_"
    target = pl.coalesce(base, "task._target_") if base in runs.columns else pl.col("task._target_")
    name = target.replace_strict(TASKS, default=target.str.split(".").list.last())
    if base in runs.columns:
        name = (
            pl.when(pl.col(base).is_not_null())
            .then(pl.format("canaries in {}", name))
            .otherwise(name)
        )
    parts = [name]
    fraction = "task.random_fraction"
    if fraction in runs.columns:
        parts.append(pl.format("{}% random", (100 * pl.col(fraction)).round().cast(pl.Int64)))
    if runs["parameters"].n_unique() > runs["task._target_"].n_unique():
        parts.append(pl.format("{}x{}", "size.num_layers", "size.width"))
    return pl.concat_str(parts, separator=", ", ignore_nulls=True)


def _column(runs: pl.DataFrame, name: str) -> pl.Expr:
    """Null throughout where no run has it."""
    return pl.col(name).cast(pl.Float64) if name in runs.columns else pl.lit(None, pl.Float64)
