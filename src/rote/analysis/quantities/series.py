"""Which runs make one line in a figure: all that differ only in data size and seed."""

import polars as pl

from rote.analysis.quantities.settings import differing_settings

AXES = ("task.", "model.", "optim.", "budget.")  # besides size and precision
ALONG = "task.num_sequences"  # a series runs along it
POOL = "task.pool"  # references are in another pool; it does not name a series
SOURCES = {"rote.tasks.uniform.Uniform": "random tokens", "rote.tasks.text.task.Text": "text"}


def with_series(runs: pl.DataFrame) -> pl.DataFrame:
    """Columns ``source`` and ``series`` added, runs in order; takes the column ``model``.

    A setting that takes several values for one size of data set, model, precision and seed makes
    series of its own and stands in their names; one that follows from the size does not.
    """
    known = runs.with_columns(
        source=pl.col("task._target_").replace_strict(
            SOURCES, default=pl.col("task._target_").str.split(".").list.last()
        )
    )
    held = [POOL] if POOL in runs.columns else []
    point = ["source", "model", "precision.name", "seed", ALONG, *held]
    names = [name for name in runs.columns if name.startswith(AXES) and name not in point]
    parts = [pl.col("model")]
    if runs["precision.name"].n_unique() > 1:
        parts.append(pl.col("precision.name"))
    parts += differing_settings(known, names, at=point)
    return known.with_columns(series=pl.concat_str(parts, separator=", ")).sort(
        "source", "parameters", "series", ALONG, "seed", "run_id"
    )
