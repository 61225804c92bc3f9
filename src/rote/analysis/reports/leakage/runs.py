"""The runs of a report on leakage, whatever their task: one name for each setting."""

import polars as pl

from rote.analysis.quantities.losses import loss_quantities
from rote.analysis.quantities.series import SOURCES, with_series
from rote.analysis.results import Results

LIFTED = ("num_sequences", "length", "pool", "corpus")  # of the task that canaries are planted in
COST = tuple(
    f"cost.{split}_{name}"
    for split in ("train", "heldout")
    for name in ("code_bits", "tokens", "sequences")
)
MEASURES = {  # a column that each leaves
    "membership": "membership.members",
    "exposure": "exposure.canaries",
    "extraction": "extraction.train_tried",
}


def leakage_runs(results: Results) -> pl.DataFrame:
    """Those that were trained on what they are attacked for, with losses and series.

    Raises ValueError where there are none, or none of them measured leakage.
    """
    if results.table.is_empty():
        raise ValueError("no finished run to report on")
    table = _with_nulls(_lifted(results.table), COST)
    for name in ("task.num_sequences", "task.length"):
        if name not in table.columns:
            raise ValueError(f"no run says {name}: task text, uniform, or canaries in one of them")
    if "task.pool" in table.columns:  # runs on the reference pool serve as oracles only
        table = table.filter(pl.col("task.pool").fill_null("train") == "train")
    if table.is_empty():
        raise ValueError("no finished run on the train pool (task.pool=train)")
    if not any(has_measured(table, measure) for measure in MEASURES):
        raise ValueError(f"no run measured leakage: add {', '.join(MEASURES)} to measure")
    runs = with_series(loss_quantities(table, results.alphas))
    if "task.base._target_" in runs.columns:
        runs = runs.with_columns(source=_with_canaries())
    if runs["source"].n_unique() > 1:
        runs = runs.with_columns(series=pl.format("{}, {}", "source", "series"))
    return runs.sort("parameters", "series", "task.num_sequences", "seed", "run_id").with_columns(
        samples_per_parameter=pl.col("cost.train_sequences") / pl.col("parameters")
    )


def has_measured(runs: pl.DataFrame, measure: str) -> bool:
    """Whether any run has."""
    name = MEASURES[measure]
    return name in runs.columns and runs[name].count() > 0


def _lifted(table: pl.DataFrame) -> pl.DataFrame:
    """What a base says of itself under the names that a task without one uses."""
    for name in LIFTED:
        own, base = f"task.{name}", f"task.base.{name}"
        if base in table.columns:
            values = pl.coalesce(own, base) if own in table.columns else pl.col(base)
            table = table.with_columns(values.alias(own))
    return table


def _with_canaries() -> pl.Expr:
    """The source that canaries are planted in, said so."""
    target = "task.base._target_"
    told = pl.col(target).replace_strict(SOURCES, default=pl.col(target).str.split(".").list.last())
    return pl.coalesce(pl.format("{} with canaries", told), "source")


def _with_nulls(table: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    missing = [name for name in names if name not in table.columns]
    return table.with_columns(pl.lit(None, pl.Float64).alias(name) for name in missing)
