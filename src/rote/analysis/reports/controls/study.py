"""Derive everything that the report on controls states, before anything is drawn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.derived import column_or_null, shape
from rote.analysis.estimate import Estimate
from rote.analysis.estimators import mean_over_seeds
from rote.analysis.metrics import METRICS, Metric
from rote.analysis.quantities.exposure import chance_bits, exposures
from rote.analysis.quantities.settings import (
    AXES,
    IN_OPTIM,
    SOURCES,
    differing_settings,
    with_control,
)
from rote.analysis.results import Results
from rote.analysis.table import Row

LOSS = "heldout_bits_per_token"
# Entropy minus code length for data without a rule: drawn labels, or all tokens.
BITS = replace(METRICS["memorised_bits"], title="bits memorised", form="{:z,.0f}")
EXPOSURE = replace(METRICS["exposure_bits"], title="exposure of the most repeated canaries")
KINDS = (EXPOSURE, METRICS["extracted_share"], METRICS["drawn_right"], BITS)
LEAKS = [kind.name for kind in KINDS]
OF_CANARIES = ("exposure_bits", "exposure_bits_guess", "extracted_share", "extracted_share_guess")
DRAWN = "exact_match.train_drawn_"
RANDOM_LABELS = "rote.tasks.random_labels.RandomLabels"
TASKS = {**SOURCES, RANDOM_LABELS: "random labels"}
NONE = "no control"
RAISED = "a run is raised to a guess, no interval"


@dataclass(frozen=True, kw_only=True)
class ControlPoint:
    """One control at one strength, in one panel and kind of leakage, over seeds."""

    control: str
    words: str  # the control and its strength
    run_ids: tuple[str, ...]
    leak: Estimate
    counted: Estimate  # the same, but each run at least a guess; no interval if one was raised
    loss: Estimate  # held-out, bits per token
    saved: Estimate | None  # counted leakage minus that without control, seed by seed
    cost: Estimate | None  # held-out loss, likewise
    on_frontier: bool  # no other point has less of one and no more of the other

    @property
    def title(self) -> str:
        """The control and its strength, as on pages."""
        return self.words.replace("_", " ")

    @property
    def is_anchor(self) -> bool:
        """Whether it is the point without control, to which others are compared."""
        return self.control == NONE


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One kind of leakage on one task."""

    name: str
    kind: Metric
    guess: float  # leakage of a model that remembers nothing
    points: tuple[ControlPoint, ...]

    @property
    def anchor(self) -> ControlPoint | None:
        """The point without any control."""
        return next((each for each in self.points if each.is_anchor), None)

    @property
    def controlled(self) -> list[ControlPoint]:
        """The points with a control."""
        return [each for each in self.points if not each.is_anchor]


@dataclass(frozen=True, kw_only=True)
class Study:
    """``runs`` is the table with derived columns."""

    runs: pl.DataFrame
    panels: tuple[Panel, ...]
    fitted: tuple[Row, ...]  # shares of random labels answered right, by panel and control


def guess_of(kind: Metric) -> str:
    """Return the column for the leakage of a model that remembers nothing."""
    return f"{kind.name}_guess"


def study(results: Results) -> Study:
    """Derive everything; raises ValueError if no run measured leakage and held-out loss."""
    if results.table.is_empty():
        raise ValueError("no finished run to report on")
    runs = with_control(with_leakage(results, results.table), within="panel")
    runs = runs.with_columns(
        pl.col("control").fill_null(NONE), pl.col("control_words").fill_null(NONE)
    ).filter(pl.any_horizontal(pl.col(LEAKS).is_not_null()), pl.col(LOSS).is_not_null())
    if runs.is_empty():
        raise ValueError(
            "no run measured leakage and held-out loss: add cost to measure, and exposure where "
            "there are canaries"
        )
    runs = _with_settings(runs).sort(
        "panel", pl.col("control") != NONE, "control", "control_words", "seed"
    )
    keys = ["panel", "control", "control_words"]
    drawn = runs.drop_nulls("drawn_right").partition_by(keys, maintain_order=True)
    fitted = tuple(
        part.select(keys).row(0, named=True) | {"share": mean_over_seeds(part["drawn_right"])}
        for part in drawn
    )
    return Study(runs=runs, panels=tuple(_panels(runs)), fitted=fitted)


def _with_settings(runs: pl.DataFrame) -> pl.DataFrame:
    """Separate panels by what else differs between runs of one control and seed."""
    names = [name for name in runs.columns if name.startswith((*AXES, "size."))]
    names = [name for name in names if name not in IN_OPTIM]
    settings = differing_settings(runs, names, at=["panel", "control_words", "seed"])
    panel = pl.concat_str(["panel", *settings], separator=", ", ignore_nulls=True)
    return runs.with_columns(panel=panel)


def _panels(runs: pl.DataFrame) -> Iterable[Panel]:
    for part in runs.partition_by("panel", maintain_order=True):
        for kind in KINDS:
            known = part.drop_nulls(kind.name)
            if not known.is_empty():
                yield Panel(
                    name=part["panel"][0],
                    kind=kind,
                    guess=float(known[guess_of(kind)].mean()),  # type: ignore[arg-type]
                    points=tuple(_points(known.with_columns(counted=counted(kind)), kind.name)),
                )


def _points(runs: pl.DataFrame, column: str) -> Iterable[ControlPoint]:
    anchor = runs.filter(pl.col("control") == NONE)
    parts = runs.partition_by("control_words", maintain_order=True)
    places = [(float(part[LOSS].mean()), float(part["counted"].mean())) for part in parts]  # type: ignore[arg-type]
    for place, part in zip(places, parts, strict=True):
        yield ControlPoint(
            control=part["control"][0],
            words=part["control_words"][0],
            run_ids=tuple(part["run_id"]),
            leak=mean_over_seeds(part[column]),
            counted=_counted(part, column),
            loss=mean_over_seeds(part[LOSS]),
            saved=_apart(part, anchor, "counted"),
            cost=_apart(part, anchor, LOSS),
            on_frontier=is_on_frontier(place, places),
        )


def _counted(runs: pl.DataFrame, column: str) -> Estimate:
    """Return the mean; no interval if a run was raised to a guess: half of three such seeds are
    equal.
    """
    mean = mean_over_seeds(runs["counted"])
    raised = (runs["counted"] != runs[column]).any()
    return replace(mean, low=None, high=None, why_none=RAISED) if raised else mean


def is_on_frontier(place: tuple[float, float], places: Sequence[tuple[float, float]]) -> bool:
    """Whether no other place is at most as high in both and lower in one."""
    return not any(
        other[0] <= place[0] and other[1] <= place[1] and other != place for other in places
    )


def _apart(runs: pl.DataFrame, anchor: pl.DataFrame, column: str) -> Estimate | None:
    """Return the difference to the anchor; None for the anchor itself, or without shared seeds."""
    if runs["control"][0] == NONE:
        return None
    of_anchor = anchor.select("seed", of_anchor=column)
    values = runs.join(of_anchor, on="seed", maintain_order="left").select(
        pl.col(column) - pl.col("of_anchor")
    )
    return None if values.is_empty() else mean_over_seeds(values[column])


def with_leakage(results: Results, runs: pl.DataFrame) -> pl.DataFrame:
    """Add ``panel``, held-out loss, and for each kind the leakage and that of a guess.

    Null if a kind is not measured. A guess answers one of C drawn labels right. Memorised bits are
    entropy minus code length for data without a rule, because a model that has learnt a rule pays
    more than their entropy for the drawn labels beside it.
    """
    canaries = [_canaries(results, row) for row in runs.iter_rows(named=True)]
    whole = column_or_null(runs, "entropy_bits") - column_or_null(runs, "cost.train_code_bits")
    drawn = column_or_null(runs, f"{DRAWN}answer_bits") - column_or_null(
        runs, f"{DRAWN}answer_code_bits"
    )
    tried = column_or_null(runs, f"{DRAWN}tried")
    is_labels = pl.col("task._target_") == RANDOM_LABELS
    is_ruled = column_or_null(runs, "exact_match.train_rule_tried") > 0
    of_canaries = dict.fromkeys(OF_CANARIES, pl.Float64)
    measured = pl.DataFrame(canaries, schema=of_canaries, orient="row").get_columns()
    return runs.with_columns(
        *measured,
        panel=_panel(runs),
        heldout_bits_per_token=column_or_null(runs, "cost.heldout_code_bits")
        / column_or_null(runs, "cost.heldout_tokens"),
        drawn_right=pl.when(tried > 0).then(column_or_null(runs, f"{DRAWN}right_free") / tried),
        drawn_right_guess=1 / column_or_null(runs, "task.num_classes"),
        memorised_bits=pl.when(is_labels & is_ruled)
        .then(None)
        .when(is_labels)
        .then(drawn)
        .otherwise(whole),
        memorised_bits_guess=pl.lit(0.0),
    )


def counted(kind: Metric) -> pl.Expr:
    """Return the leakage, but at least that of a guess: doing worse protects nothing more.

    Bits below zero are of a model that errs, not of one that forgot.
    """
    return pl.max_horizontal(kind.name, guess_of(kind))


def _canaries(results: Results, run: Mapping[str, Any]) -> tuple[float | None, ...]:
    """Return `OF_CANARIES`: means over the canaries that were inserted most often."""
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
    """Name the training data; differing sizes and shares of random labels separate panels."""
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
        parts.append(shape())
    return pl.concat_str(parts, separator=", ", ignore_nulls=True)
