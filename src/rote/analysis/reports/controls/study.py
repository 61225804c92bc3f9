"""All that the report on controls says, derived before anything is drawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import mean_over_seeds
from rote.analysis.quantities.settings import with_control
from rote.analysis.reports.controls.leakage import KINDS, LEAKS, Kind, counted, with_leakage
from rote.analysis.results import Results

LOSS = "heldout_bits_per_token"
NONE = "no control"
RAISED = "a run is raised to a guess, no interval"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One control at one strength, in one panel and kind of leakage, over seeds."""

    control: str
    words: str  # with its strength
    run_ids: tuple[str, ...]
    leak: Estimate
    counted: Estimate  # the same, no run's below what a guess leaks; no interval where one is
    loss: Estimate  # held-out, bits per token
    saved: Estimate | None  # counted leakage less that of the run without control, seed by seed
    cost: Estimate | None  # held-out loss, likewise
    on_frontier: bool  # no other point has less of one and no more of the other

    @property
    def is_anchor(self) -> bool:
        """Whether it is what others are held against."""
        return self.control == NONE


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One kind of leakage on one task."""

    name: str
    kind: Kind
    guess: float  # what a model that remembers nothing leaks
    points: tuple[Point, ...]

    @property
    def anchor(self) -> Point | None:
        """Without any control."""
        return next((each for each in self.points if each.is_anchor), None)

    @property
    def controlled(self) -> list[Point]:
        """All others."""
        return [each for each in self.points if not each.is_anchor]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Random labels that were told right under one control, in one panel."""

    panel: str
    control: str
    words: str
    share: Estimate


@dataclass(frozen=True, kw_only=True)
class Study:
    """``runs`` is the table with derived columns."""

    runs: pl.DataFrame
    panels: tuple[Panel, ...]
    fitted: tuple[Fitted, ...]  # empty without random labels


def study(results: Results) -> Study:
    """Raises ValueError where no run measured leakage and held-out loss."""
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
    runs = runs.sort("panel", pl.col("control") != NONE, "control", "control_words", "seed")
    return Study(runs=runs, panels=tuple(_panels(runs)), fitted=tuple(_fitted(runs)))


def _panels(runs: pl.DataFrame) -> Iterable[Panel]:
    for part in runs.partition_by("panel", maintain_order=True):
        for kind in KINDS:
            known = part.drop_nulls(kind.column)
            if not known.is_empty():
                yield Panel(
                    name=part["panel"][0],
                    kind=kind,
                    guess=float(known[kind.guess].mean()),  # type: ignore[arg-type]
                    points=tuple(_points(known.with_columns(counted=counted(kind)), kind.column)),
                )


def _points(runs: pl.DataFrame, column: str) -> Iterable[Point]:
    anchor = runs.filter(pl.col("control") == NONE)
    parts = runs.partition_by("control_words", maintain_order=True)
    places = [(float(part[LOSS].mean()), float(part["counted"].mean())) for part in parts]  # type: ignore[arg-type]
    for place, part in zip(places, parts, strict=True):
        yield Point(
            control=part["control"][0],
            words=part["control_words"][0],
            run_ids=tuple(part["run_id"]),
            leak=mean_over_seeds(part[column].to_list()),
            counted=_counted(part, column),
            loss=mean_over_seeds(part[LOSS].to_list()),
            saved=_apart(part, anchor, "counted"),
            cost=_apart(part, anchor, LOSS),
            on_frontier=is_on_frontier(place, places),
        )


def _counted(runs: pl.DataFrame, column: str) -> Estimate:
    """Without an interval where a run was raised to a guess: half of three such seeds are equal."""
    mean = mean_over_seeds(runs["counted"].to_list())
    raised = (runs["counted"] != runs[column]).any()
    return replace(mean, low=None, high=None, why_none=RAISED) if raised else mean


def is_on_frontier(place: tuple[float, float], places: Sequence[tuple[float, float]]) -> bool:
    """Whether no other place is as low in both and lower in one."""
    return not any(
        other[0] <= place[0] and other[1] <= place[1] and other != place for other in places
    )


def _apart(runs: pl.DataFrame, anchor: pl.DataFrame, column: str) -> Estimate | None:
    """None for the anchor itself, and where no seed is in both."""
    if runs["control"][0] == NONE:
        return None
    of_anchor = dict(anchor.select("seed", column).iter_rows())
    values = [
        value - of_anchor[seed]
        for seed, value in runs.select("seed", column).iter_rows()
        if seed in of_anchor
    ]
    return mean_over_seeds(values) if values else None


def _fitted(runs: pl.DataFrame) -> Iterable[Fitted]:
    known = runs.drop_nulls("drawn_right")
    for part in known.partition_by("panel", "control_words", maintain_order=True):
        yield Fitted(
            panel=part["panel"][0],
            control=part["control"][0],
            words=part["control_words"][0],
            share=mean_over_seeds(part["drawn_right"].to_list()),
        )
