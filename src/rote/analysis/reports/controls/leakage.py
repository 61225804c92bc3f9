"""What one run leaks, in the kinds that a report on controls knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.quantities.exposure import chance_bits, exposures
from rote.analysis.results import Results


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A column of the table and how its numbers are told."""

    column: str
    title: str
    unit: str
    form: str
    change: str  # the form of a difference

    @property
    def guess(self) -> str:
        """The column of what a model that remembers nothing leaks."""
        return f"{self.column}_guess"


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
        column="drawn_right", title="share of random labels told right", unit="",
        form="{:.0%}", change="{:+.0%}",
    ),
    Kind(
        column="memorised_bits", title="bits memorised", unit="bits",
        form="{:z,.0f}", change="{:+,.0f}",
    ),
)  # fmt: skip
LEAKS = [kind.column for kind in KINDS]
OF_CANARIES = ("exposure_bits", "exposure_bits_guess", "extracted_share", "extracted_share_guess")
DRAWN = "exact_match.train_drawn_"
TASKS = {
    "rote.tasks.uniform.Uniform": "random tokens",
    "rote.tasks.text.task.Text": "text",
    "rote.tasks.random_labels.RandomLabels": "random labels",
}


def with_leakage(results: Results, runs: pl.DataFrame) -> pl.DataFrame:
    """Columns added: ``panel``, held-out loss, and of each kind what is leaked, and by a guess.

    Null where a kind is not measured. A guess tells one label in C that was drawn. Bits memorised
    are entropy less code length where no rule tells anything: a model that has learnt a rule pays
    more than their entropy for labels that were drawn beside it.
    """
    canaries = [_canaries(results, row) for row in runs.iter_rows(named=True)]
    whole = _column(runs, "entropy_bits") - _column(runs, "cost.train_code_bits")
    drawn = _column(runs, f"{DRAWN}answer_bits") - _column(runs, f"{DRAWN}answer_code_bits")
    tried = _column(runs, f"{DRAWN}tried")
    is_labels = pl.col("task._target_") == "rote.tasks.random_labels.RandomLabels"
    is_ruled = _column(runs, "exact_match.train_rule_tried") > 0
    told = (
        pl.Series(name, [each[place] for each in canaries], dtype=pl.Float64)
        for place, name in enumerate(OF_CANARIES)
    )
    return runs.with_columns(
        *told,
        panel=_panel(runs),
        heldout_bits_per_token=_column(runs, "cost.heldout_code_bits")
        / _column(runs, "cost.heldout_tokens"),
        drawn_right=pl.when(tried > 0).then(_column(runs, f"{DRAWN}right_free") / tried),
        drawn_right_guess=1 / _column(runs, "task.num_classes"),
        memorised_bits=pl.when(is_labels & is_ruled)
        .then(None)
        .when(is_labels)
        .then(drawn)
        .otherwise(whole),
        memorised_bits_guess=pl.lit(0.0),
    )


def counted(kind: Kind) -> pl.Expr:
    """What is leaked, but no less than by a guess: to be worse than that protects nothing more."""
    return pl.max_horizontal(kind.column, kind.guess)


def _canaries(results: Results, run: Mapping[str, Any]) -> tuple[float | None, ...]:
    """`OF_CANARIES`: means over those that were inserted most often."""
    if run.get("exposure.canaries") is None:
        return (None,) * len(OF_CANARIES)
    arrays = results.folders[run["run_id"]].arrays()
    found = exposures(arrays)
    most_K = found.repeats_K == found.repeats_K.max()
    by_guess = [chance_bits(1 + number) for number in arrays["exposure.num_references"][most_K]]
    extracted_K = arrays.get("exposure.is_extracted")
    return (
        float(found.bits_K[most_K].mean()),
        float(np.mean(by_guess)),
        None if extracted_K is None else float(extracted_K[most_K].astype(np.float64).mean()),
        float(np.exp2(-arrays["exposure.secret_bits"][most_K]).mean()),
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
