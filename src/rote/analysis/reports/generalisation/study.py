"""All that the report on generalisation says, derived before anything is drawn."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from rote.analysis.estimate import OverSplits, Rate
from rote.analysis.estimators import Answers, pooled, rate, share, share_difference
from rote.analysis.quantities.matches import ALL, matches, with_split
from rote.analysis.quantities.settings import with_setting
from rote.analysis.reports.generalisation.knowledge import Knowledge, Recall, knowledge, recalls
from rote.analysis.results import Results

MEASURED = "exact_match."


@dataclass(frozen=True, kw_only=True)
class Series:
    """Runs that differ in size, split seed and seed alone, asked about one subject."""

    trained_on: str  # arithmetic, facts, biographies, joint
    subject: str  # what is asked about: a part of what it was trained on
    split: str  # original, randomly, operand, length; "" without one
    setting: str  # what else tells it apart

    @property
    def name(self) -> str:
        """Unique within a report."""
        of_joint = f"{self.subject}, trained jointly"
        subject = self.subject if self.trained_on == self.subject else of_joint
        split = {"": "", "randomly": "random splits"}.get(self.split, f"{self.split} split")
        return ", ".join(part for part in (subject, split, self.setting) if part)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One size of a series, on one side of the split, in one group."""

    series: Series
    size: str
    parameters: int
    side: str  # train, heldout
    group: str
    forced: OverSplits
    free: OverSplits
    answers: tuple[Answers, ...]  # free-running, of each run
    run_ids: tuple[str, ...]

    @property
    def pooled(self) -> Rate:
        """All free-running answers added up."""
        return pooled(each.rate for each in self.answers)

    @property
    def by_split(self) -> dict[Hashable, Rate]:
        """Its seeds added up, by split."""
        splits = dict.fromkeys(each.split for each in self.answers)
        return {
            split: pooled(each.rate for each in self.answers if each.split == split)
            for split in splits
        }


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The largest size of a series less the smallest, all groups together, free-running."""

    series: Series
    side: str
    smaller: Point
    larger: Point
    apart: OverSplits | None


@dataclass(frozen=True, kw_only=True)
class Study:
    """``runs`` is the table with derived columns; ``points`` go by series, then size."""

    runs: pl.DataFrame
    points: tuple[Point, ...]
    compared: tuple[Compared, ...]
    knowledge: tuple[Knowledge, ...]  # of biographies, by size
    recalls: tuple[Recall, ...]

    def of(self, series: Series, side: str) -> list[Point]:
        """Its whole, by size: one entry for all groups of each."""
        return [each for each in self.wholes if (each.series, each.side) == (series, side)]

    def runs_of(self, series: Series) -> list[str]:
        """Every run behind it."""
        points = (each for each in self.points if each.series == series)
        return list(dict.fromkeys(run_id for each in points for run_id in each.run_ids))

    @property
    def wholes(self) -> list[Point]:
        """Points of all groups together, or of the only one."""
        return _wholes(self.points)

    @property
    def series(self) -> list[Series]:
        """In the order of points."""
        return list(dict.fromkeys(each.series for each in self.points))


def study(results: Results) -> Study:
    """Raises ValueError where no run measured exact matches."""
    runs = results.table
    measured = [name for name in runs.columns if name.startswith(MEASURED)]
    if not measured:
        raise ValueError("no finished run measured exact matches: add exact_match to measure")
    runs = with_split(runs.filter(pl.any_horizontal(pl.col(measured).is_not_null())))
    runs = with_setting(runs, at=["trained_on", "split", "split_seed", "size", "seed"])
    points = tuple(_points(matches(runs)))
    return Study(
        runs=runs.sort("trained_on", "split", "setting", "parameters", "split_seed", "seed"),
        points=points,
        compared=tuple(_compared(points)),
        knowledge=knowledge(runs),
        recalls=recalls(results, runs),
    )


def _points(rows: pl.DataFrame) -> Iterable[Point]:
    ordered = rows.sort("trained_on", "subject", "split", "setting", maintain_order=True)
    keys = ["trained_on", "subject", "split", "setting", "size", "side", "group"]
    for part in ordered.partition_by(keys, maintain_order=True):
        first = part.row(0, named=True)
        free = _answers(part, "right_free")
        yield Point(
            series=Series(
                **{key: first[key] for key in ("trained_on", "subject", "split", "setting")}
            ),
            **{key: first[key] for key in ("size", "parameters", "side", "group")},
            forced=share(_answers(part, "right_forced")),
            free=share(free),
            answers=free,
            run_ids=tuple(part["run_id"]),
        )


def _answers(rows: pl.DataFrame, right: str) -> tuple[Answers, ...]:
    return tuple(
        Answers(
            split=row["split_seed"],
            seed=row["seed"],
            rate=rate(row[right], row["tried"]),
        )
        for row in rows.iter_rows(named=True)
    )


def _wholes(points: Sequence[Point]) -> list[Point]:
    several = {_place(each) for each in points if each.group == ALL}
    return [each for each in points if each.group == ALL or _place(each) not in several]


def _compared(points: Sequence[Point]) -> Iterable[Compared]:
    wholes = _wholes(points)
    for series, side in dict.fromkeys((each.series, each.side) for each in wholes):
        sizes = [each for each in wholes if (each.series, each.side) == (series, side)]
        smaller = min(sizes, key=lambda each: each.parameters)
        larger = max(sizes, key=lambda each: each.parameters)
        if smaller is not larger:
            yield Compared(
                series=series,
                side=side,
                smaller=smaller,
                larger=larger,
                apart=share_difference(larger.answers, smaller.answers),
            )


def _place(point: Point) -> tuple[Series, str, str]:
    return point.series, point.side, point.size
