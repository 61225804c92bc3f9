"""What the report on random labels says, derived before anything is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.estimate import Estimate, OverSplits
from rote.analysis.estimators import Answers, geometric_mean, mean_over_seeds, rate, share
from rote.analysis.quantities.settings import with_setting
from rote.analysis.results import Curve, Results
from rote.analysis.typeset import setting_words
from rote.units import bits_from_nats

TASK = "rote.tasks.random_labels.RandomLabels"
FIT_SHARE = 0.1  # of what a guess costs, log2 C: labels are fitted where the loss is below it
FITTED_SHARE = 0.95  # of training labels right: random ones are said to be fitted above it
KEYS = ["inputs", "size", "parameters", "setting"]  # of a series: what is left differs in its seed
INPUTS = {"patterns": "patterned"}  # others are called as their setting
SPLITS = {"train": "training labels", "heldout": "held-out labels"}


@dataclass(frozen=True, kw_only=True)
class Point:
    """One share of labels that no rule gives, in one series; ``runs`` differ in their seed."""

    runs: pl.DataFrame
    train: OverSplits
    heldout: OverSplits
    drawn: OverSplits | None  # of the training labels that no rule gives
    steps: Estimate | None  # to fit, over runs that did
    slowdown: Estimate | None  # steps over those of true labels, seed by seed
    memorised_bits: Estimate  # entropy less code length

    @property
    def first(self) -> dict[str, Any]:
        """A row: what all of its runs have in common is read from it."""
        return self.runs.row(0, named=True)

    @property
    def series(self) -> str:
        """In words, unique within a report."""
        of = self.first
        words = f"{of['size']}, {INPUTS.get(of['inputs'], of['inputs'])} inputs"
        return f"{words}, {setting_words(of['setting'])}" if of["setting"] else words

    @property
    def unruled(self) -> float:
        """The share of labels that no rule gives: 1 where inputs are random."""
        return float(self.first["unruled"])

    @property
    def entropy_bits(self) -> float:
        """Of the labels that no rule gives."""
        return float(self.first["label_entropy_bits"])

    @property
    def num_fitted(self) -> int:
        """Runs that fitted their labels."""
        return self.runs["steps_to_fit"].count()

    @property
    def guess(self) -> float:
        """The share of labels that a guess gets right."""
        return 1 / float(self.first["task.num_classes"])

    @property
    def numbers(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "train": self.train.value,
            "train_interval": self.train.interval,
            "heldout": self.heldout.value,
            "heldout_interval": self.heldout.interval,
            "steps_to_fit": self.steps and self.steps.value,
            "memorised_bits": self.memorised_bits.value,
            "entropy_bits": self.entropy_bits,
            "runs": list(self.runs["run_id"]),
        }

    @property
    def key(self) -> str:
        """In the manifest."""
        of = self.first
        words = (of["size"], f"{of['inputs']} inputs", of["setting"])
        return f"labels {', '.join(filter(None, words))}, {self.unruled:g} random"


def study(results: Results) -> tuple[pl.DataFrame, tuple[Point, ...]]:
    """The table of runs with derived columns, and points by series, then share.

    Raises ValueError where no run on random labels measured exact matches.
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
    parts = runs.partition_by([*KEYS, "unruled"], maintain_order=True)
    points = tuple(_point(part, runs) for part in parts)
    names = pl.Series("series", [each.series for each in points for _ in range(each.runs.height)])
    return runs.with_columns(names), points


def steps_to_fit(curve: Curve, *, num_classes: int) -> int | None:
    """The first step of a curve whose loss is below `FIT_SHARE` of a guess's; None for none."""
    bound_bits = FIT_SHARE * np.log2(num_classes)
    below = (row for row in curve if bits_from_nats(row["loss_nats_per_token"]) < bound_bits)
    return next((int(row["step"]) for row in below), None)


def _with_labels(runs: pl.DataFrame, curves: Mapping[str, Curve]) -> pl.DataFrame:
    """Columns added: what is fitted when, what is answered right, and what is memorised."""
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
        size=pl.format("{}x{}", "size.num_layers", "size.width"),
        unruled=pl.when(is_noise).then(1.0).otherwise(pl.col("task.random_fraction").cast(float)),
        steps_to_fit=pl.Series(steps, dtype=pl.Int64),
        label_entropy_bits=entropy,
        memorised_bits=entropy - coded,
        **counts,
    )


def _point(runs: pl.DataFrame, every: pl.DataFrame) -> Point:
    first = runs.row(0, named=True)
    true = every.filter(
        pl.col("inputs") == "patterns", pl.col("unruled") == 0, pl.col("size") == first["size"],
        pl.col("setting") == first["setting"],
    ).drop_nulls("steps_to_fit")  # fmt: skip
    of_true = dict(true.select("seed", "steps_to_fit").iter_rows())
    steps = dict(runs.drop_nulls("steps_to_fit").select("seed", "steps_to_fit").iter_rows())
    ratios = [steps[seed] / of_true[seed] for seed in steps if seed in of_true]
    drawn = "exact_match.train_drawn_right_free", "exact_match.train_drawn_tried"
    return Point(
        runs=runs,
        train=_share(runs, "train_right", "train_tried"),
        heldout=_share(runs, "heldout_right", "heldout_tried"),
        drawn=_share(runs, *drawn) if first["label_entropy_bits"] > 0 else None,
        steps=geometric_mean(list(steps.values())) if steps else None,
        slowdown=geometric_mean(ratios) if ratios else None,
        memorised_bits=mean_over_seeds(runs["memorised_bits"].to_list()),
    )


def _share(runs: pl.DataFrame, right: str, tried: str) -> OverSplits:
    """Each seed has labels of its own, so seeds are resampled as splits are."""
    counts = runs.select("seed", right, tried).iter_rows()
    return share([Answers(split=seed, seed=seed, rate=rate(*both)) for seed, *both in counts])
