"""Derive steps to fit, right answers and memorised bits by share of random labels."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from rote.analysis.derived import shape
from rote.analysis.estimate import OverSplits, setting_words
from rote.analysis.estimators import AnswersOfSplits, geometric_mean, mean_over_seeds, rate, share
from rote.analysis.quantities.settings import with_setting
from rote.analysis.results import Curve, Results
from rote.analysis.table import Row
from rote.core.units import bits_from_nats

TASK = "rote.tasks.random_labels.RandomLabels"
FIT_SHARE = 0.1  # share of a guess's cost, log2 C: below this loss, labels count as fitted
KEYS = ["inputs", "size", "parameters", "setting"]  # of a series: its runs differ in their seed
INPUTS = {"patterns": "patterned"}  # others keep the name of their setting
SPLITS = {"train": "training labels", "heldout": "held-out labels"}


def study(results: Results) -> tuple[pl.DataFrame, list[Row]]:
    """Return the runs with derived columns, and a row per series and share of random labels.

    Rows hold what seeds have in common, and means over seeds. Raises ValueError if no run on random
    labels measured exact matches.
    """
    tried = "exact_match.train_rule_tried"
    if tried not in results.table.columns:
        raise ValueError("no finished run measured exact matches: add exact_match to measure")
    runs = results.table.filter(pl.col("task._target_") == TASK, pl.col(tried).is_not_null())
    if runs.is_empty():
        raise ValueError("no finished run of task random_labels to report on")
    runs = _with_labels(runs, results.curves)
    at, apart = ["size", "inputs", "unruled", "seed"], ["task.inputs", "task.random_fraction"]
    runs = with_setting(runs, at=at, apart_from=apart)
    runs = runs.sort("parameters", "inputs", "setting", "unruled", "seed")
    names = [_series(run) for run in runs.iter_rows(named=True)]
    runs = runs.with_columns(series=pl.Series(names))
    parts = runs.partition_by([*KEYS, "unruled"], maintain_order=True)
    return runs, [_row(part, runs) for part in parts]


def _series(run: Row) -> str:
    """Name the series in words, unique within a report."""
    words = f"{run['size']}, {INPUTS.get(run['inputs'], run['inputs'])} inputs"
    return f"{words}, {setting_words(run['setting'])}" if run["setting"] else words


def steps_to_fit(curve: Curve, *, num_classes: int) -> int | None:
    """Return the first step whose loss is below `FIT_SHARE` of a guess's; None if there is none."""
    bound_bits = FIT_SHARE * np.log2(num_classes)
    below = (row for row in curve if bits_from_nats(row["loss_nats_per_token"]) < bound_bits)
    return next((int(row["step"]) for row in below), None)


def _with_labels(runs: pl.DataFrame, curves: Mapping[str, Curve]) -> pl.DataFrame:
    """Add columns: steps to fit, right answers, and memorised bits."""
    steps = [
        steps_to_fit(curves[run_id], num_classes=classes)
        for run_id, classes in runs.select("run_id", "task.num_classes").iter_rows()
    ]
    entropy, coded = (
        pl.col(f"exact_match.train_drawn_{name}").cast(pl.Float64).fill_null(0.0)
        for name in ("answer_bits", "answer_code_bits")
    )
    is_noise = pl.col("task.inputs") == "random"
    counts = {
        f"{split}_{count}": pl.sum_horizontal(
            f"exact_match.{split}_rule_{name}", f"exact_match.{split}_drawn_{name}"
        )
        for split in SPLITS
        for count, name in (("right", "right_free"), ("tried", "tried"))
    }
    return runs.with_columns(
        inputs=pl.col("task.inputs"),
        size=shape(),
        unruled=pl.when(is_noise).then(1.0).otherwise(pl.col("task.random_fraction").cast(float)),
        steps_to_fit=pl.Series(steps, dtype=pl.Int64),
        label_entropy_bits=entropy,
        memorised_bits=entropy - coded,
        **counts,
    )


def _row(runs: pl.DataFrame, every: pl.DataFrame) -> Row:
    first = runs.row(0, named=True)
    true = every.filter(
        pl.col("inputs") == "patterns", pl.col("unruled") == 0, pl.col("size") == first["size"],
        pl.col("setting") == first["setting"],
    )  # fmt: skip
    steps, of_true = (
        dict(some.drop_nulls("steps_to_fit").select("seed", "steps_to_fit").iter_rows())
        for some in (runs, true)
    )
    ratios = [steps[seed] / of_true[seed] for seed in steps if seed in of_true]
    entropy_bits, memorised = first["label_entropy_bits"], runs["memorised_bits"].to_list()
    drawn = "exact_match.train_drawn_right_free", "exact_match.train_drawn_tried"
    name = ", ".join(filter(None, (first["size"], f"{first['inputs']} inputs", first["setting"])))
    return {
        "name": f"labels {name}, {first['unruled']:g} random", "runs": list(runs["run_id"]),
        **{key: first[key] for key in ("series", "unruled", "label_entropy_bits")},
        "guess": 1 / first["task.num_classes"], "num_runs": runs.height, "num_fitted": len(steps),
        "train": _share(runs, "train_right", "train_tried"),
        "heldout": _share(runs, "heldout_right", "heldout_tried"),
        "drawn": _share(runs, *drawn) if entropy_bits > 0 else None,
        "steps_to_fit": geometric_mean(list(steps.values())) if steps else None,
        "slowdown": geometric_mean(ratios) if ratios else None,  # over true labels, seed by seed
        "memorised_bits": mean_over_seeds(memorised),
        "stored": np.mean(memorised) / entropy_bits if entropy_bits else None,
    }  # fmt: skip


def _share(runs: pl.DataFrame, right: str, tried: str) -> OverSplits:
    """Return the share right; each seed has its own labels, so seeds count as splits."""
    counts = runs.select("seed", right, tried).iter_rows()
    return share(
        [AnswersOfSplits(split=seed, seed=seed, rate=rate(*both)) for seed, *both in counts]
    )
