"""Which run a run on text is held against: the two references of Morris et al. 2025, section 2."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from rote.analysis.quantities.unintended import Origin

SAME_MODEL = ("model.", "size.", "precision.")  # columns that a reference of the same size shares
SPLIT = ("task.split_seed", "task.split_by", "task.heldout_share", "task.reference_share")
ORIGIN = ("task.corpus", "task.length", *SPLIT)


def origin_of(run: dict[str, Any]) -> Origin:
    """Of a row of the table."""
    split = " ".join(f"{name.partition('.')[2]}={run[name]}" for name in SPLIT)
    return Origin(corpus=run["task.corpus"], length=run["task.length"], split=split)


def same_size_reference(runs: pl.DataFrame, target_id: str) -> str | None:
    """The same model on more of the train pool, the most there is, with the same seed if possible.

    Its training set holds the target's samples too where the seeds are equal. None where no run
    saw more than the target.
    """
    target = _row(runs, target_id)
    shared = [name for name in runs.columns if name.startswith(SAME_MODEL)]
    candidates = _alike(runs, target, [*ORIGIN, *shared]).filter(
        pl.col("task.pool") == "train",
        _covers(runs, target),
        pl.col("task.num_sequences") > target["task.num_sequences"],
    )
    ordered = candidates.sort(
        -pl.col("task.num_sequences"),
        pl.col("task.duplicated_fraction"),
        pl.col("seed") != target["seed"],
        "seed",
        "run_id",
    )
    return None if ordered.is_empty() else str(ordered["run_id"][0])


def oracle_reference(runs: pl.DataFrame, target_id: str) -> str | None:
    """Of the runs trained on the reference pool, which nobody else sees, the best on held-out text.

    None where no such run scored the train pool (measure superset).
    """
    target = _row(runs, target_id)
    candidates = _alike(runs, target, ORIGIN).filter(
        pl.col("task.pool") == "reference",
        pl.col("run_id") != target_id,
        _scored_superset(runs),
        _covers(runs, target),
    )
    heldout_loss = pl.col("cost.heldout_code_bits") / pl.col("cost.heldout_tokens")
    ordered = candidates.sort(heldout_loss, "run_id")
    return None if ordered.is_empty() else str(ordered["run_id"][0])


def _scored_superset(runs: pl.DataFrame) -> pl.Expr:
    name = "superset.sequences"
    return pl.col(name).is_not_null() if name in runs.columns else pl.lit(False)


def _covers(runs: pl.DataFrame, target: dict[str, Any]) -> pl.Expr:
    """A part of the train pool is the first of it in the order of a seed: no other seed's."""
    same_seed = pl.col("seed") == target["seed"]
    name = "measure.superset.num_sequences"
    if name not in runs.columns:  # every run scored all of it, or none did
        return _scored_superset(runs) | same_seed
    enough = pl.col(name) >= target["task.num_sequences"]
    return (_scored_superset(runs) & pl.col(name).is_null()) | (same_seed & enough.fill_null(True))


def _row(runs: pl.DataFrame, run_id: str) -> dict[str, Any]:
    return runs.row(by_predicate=pl.col("run_id") == run_id, named=True)


def _alike(runs: pl.DataFrame, target: dict[str, Any], names: Sequence[str]) -> pl.DataFrame:
    equal = [pl.col(name).eq_missing(pl.lit(target[name])) for name in names]
    return runs.filter(equal)
