"""All that the report on random labels says, derived before anything is drawn."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.estimate import Estimate, OverSplits
from rote.analysis.estimators import Answers, geometric_mean, mean_over_seeds, rate, share
from rote.analysis.quantities.settings import with_setting
from rote.analysis.results import Curve, Results
from rote.units import bits_from_nats

TASK = "rote.tasks.random_labels.RandomLabels"
FIT_SHARE = 0.1  # of what a guess costs, log2 C: labels are fitted where the loss is below it
FITTED_SHARE = 0.95  # of training labels right: random ones are said to be fitted above it
GROUPS = ("rule", "drawn")


@dataclass(frozen=True, kw_only=True)
class Series:
    """Runs that differ in how many labels are random and in seed alone."""

    inputs: str
    size: str
    parameters: int
    setting: str

    @property
    def name(self) -> str:
        """Unique within a report."""
        words = (self.size, f"{self.inputs} inputs", self.setting)
        return ", ".join(word for word in words if word)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One share of labels that no rule tells, runs of all seeds."""

    series: Series
    unruled: float  # 1 where inputs are random
    num_classes: int
    run_ids: tuple[str, ...]
    train: OverSplits
    heldout: OverSplits
    drawn: OverSplits | None  # of the training labels that no rule tells
    steps: Estimate | None  # to fit, over runs that did: a geometric mean
    num_fitted: int
    slowdown: Estimate | None  # steps over those of true labels, seed by seed, likewise
    entropy_bits: float  # of labels that no rule tells
    memorised_bits: Estimate  # entropy less code length


@dataclass(frozen=True, kw_only=True)
class Study:
    """``points`` go by series, then share."""

    runs: pl.DataFrame
    points: tuple[Point, ...]

    @property
    def series(self) -> list[Series]:
        """By size, then inputs."""
        return list(dict.fromkeys(each.series for each in self.points))

    def of(self, series: Series) -> list[Point]:
        """By share."""
        return [each for each in self.points if each.series == series]


def study(results: Results) -> Study:
    """Raises ValueError where no run on random labels measured exact matches."""
    tried = "exact_match.train_rule_tried"
    if tried not in results.table.columns:
        raise ValueError("no finished run measured exact matches: add exact_match to measure")
    runs = results.table.filter(pl.col("task._target_") == TASK, pl.col(tried).is_not_null())
    if runs.is_empty():
        raise ValueError("no finished run of task random_labels to report on")
    runs = _with_labels(runs, results.curves)
    keys = ["size", "inputs", "unruled", "seed"]
    runs = with_setting(runs, at=keys, apart_from=["task.inputs", "task.random_fraction"])
    runs = runs.sort("parameters", "inputs", "setting", "unruled", "seed")
    return Study(runs=runs, points=tuple(_points(runs)))


def steps_to_fit(curve: Curve, *, num_classes: int) -> int | None:
    """The first step of a curve whose loss is below `FIT_SHARE` of a guess's; None for none."""
    bound_bits = FIT_SHARE * np.log2(num_classes)
    below = (row for row in curve if bits_from_nats(row["loss_nats_per_token"]) < bound_bits)
    return next((int(row["step"]) for row in below), None)


def _with_labels(runs: pl.DataFrame, curves: Mapping[str, Curve]) -> pl.DataFrame:
    """Columns added: what is fitted when, and what is memorised."""
    steps = [
        steps_to_fit(curves[run_id], num_classes=classes)
        for run_id, classes in runs.select("run_id", "task.num_classes").iter_rows()
    ]
    entropy, coded = (
        pl.col(f"exact_match.train_drawn_{name}").cast(pl.Float64).fill_null(0.0)
        for name in ("answer_bits", "answer_code_bits")
    )
    is_noise = pl.col("task.inputs") == "random"
    return runs.with_columns(
        inputs=pl.col("task.inputs"),
        size=pl.format("{}x{}", "size.num_layers", "size.width"),
        unruled=pl.when(is_noise).then(1.0).otherwise(pl.col("task.random_fraction").cast(float)),
        steps_to_fit=pl.Series(steps, dtype=pl.Int64),
        label_entropy_bits=entropy,
        memorised_bits=entropy - coded,
    )


def _points(runs: pl.DataFrame) -> Iterable[Point]:
    keys = ["size", "inputs", "setting", "parameters"]
    for part in runs.partition_by([*keys, "unruled"], maintain_order=True):
        first = part.row(0, named=True)
        series = Series(**{key: first[key] for key in keys})
        fitted = part["steps_to_fit"].drop_nulls().to_list()
        is_drawn = first["label_entropy_bits"] > 0
        yield Point(
            series=series,
            unruled=first["unruled"],
            num_classes=first["task.num_classes"],
            run_ids=tuple(part["run_id"]),
            train=_share(part, [f"train_{group}" for group in GROUPS]),
            heldout=_share(part, [f"heldout_{group}" for group in GROUPS]),
            drawn=_share(part, ["train_drawn"]) if is_drawn else None,
            steps=geometric_mean(fitted) if fitted else None,
            num_fitted=len(fitted),
            slowdown=_slowdown(part, _true(runs, series)),
            entropy_bits=first["label_entropy_bits"],
            memorised_bits=mean_over_seeds(part["memorised_bits"].to_list()),
        )


def _share(runs: pl.DataFrame, names: list[str]) -> OverSplits:
    """Each seed has labels of its own, so seeds are resampled as splits are."""
    return share(
        [
            Answers(
                split=run["seed"],
                seed=run["seed"],
                rate=rate(
                    sum(run[f"exact_match.{name}_right_free"] for name in names),
                    sum(run[f"exact_match.{name}_tried"] for name in names),
                ),
            )
            for run in runs.iter_rows(named=True)
        ]
    )


def _true(runs: pl.DataFrame, series: Series) -> dict[int, int]:
    """By seed, the steps that true labels take with inputs that show their class."""
    same = runs.filter(
        pl.col("inputs") == "patterns",
        pl.col("unruled") == 0,
        pl.col("size") == series.size,
        pl.col("setting") == series.setting,
    ).drop_nulls("steps_to_fit")
    return dict(same.select("seed", "steps_to_fit").iter_rows())


def _slowdown(runs: pl.DataFrame, true: Mapping[int, int]) -> Estimate | None:
    known: list[dict[str, Any]] = runs.drop_nulls("steps_to_fit").to_dicts()
    ratios = [run["steps_to_fit"] / true[run["seed"]] for run in known if run["seed"] in true]
    return geometric_mean(ratios) if ratios else None
