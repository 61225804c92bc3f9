"""Derive shares of right answers by size and split, and bits of knowledge, for the report."""

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rote.analysis.derived import shape
from rote.analysis.estimate import OverSplits, Rate, setting_words
from rote.analysis.estimators import AnswersOfSplits, pooled, rate, share, share_difference
from rote.analysis.metrics import derive
from rote.analysis.quantities.settings import with_setting
from rote.analysis.results import Results
from rote.analysis.table import Row

MEASURED = "exact_match."
TRIED = re.compile(r"exact_match\.(train|heldout)_(.+)_tried")
PARTS = re.compile(r"task\.parts\.(\w+)\._target_")
ENTROPY = r"^exact_match\.train_\w+_answer_bits$"
TASKS = {
    "Arithmetic": "arithmetic", "Facts": "facts", "Mixture": "joint",
    "Biographies": "biographies",
}  # fmt: skip
ALL = "all"  # all groups together
SERIES = ("trained_on", "subject", "split", "setting")
RUN = ("run_id", "trained_on", "split", "split_seed", "size", "parameters", "setting", "seed")
COUNTS = ("tried", "right_forced", "right_free")


@dataclass(frozen=True, kw_only=True)
class Series:
    """Runs that differ only in size, split seed and seed, tested on one subject."""

    trained_on: str  # arithmetic, facts, biographies, joint
    subject: str  # the subject of the items: a part of the training data
    split: str  # original, randomly, operand, length; "" without one
    setting: str  # other settings that distinguish it

    @property
    def name(self) -> str:
        """A name for the manifest that is unique within a report."""
        return ", ".join(filter(None, (self.place, self.setting)))

    @property
    def title(self) -> str:
        """The same name in words."""
        return ", ".join(filter(None, (self.place, setting_words(self.setting))))

    @property
    def place(self) -> str:
        """The name without the setting."""
        subject = self.subject
        if self.trained_on != subject:
            subject += ", trained jointly"
        return f"{subject}, {self.split_words}" if self.split else subject

    @property
    def split_words(self) -> str:
        """How held-out problems were chosen."""
        return "random splits" if self.split == "randomly" else f"{self.split} split"


@dataclass(frozen=True, kw_only=True)
class AccuracyPoint:
    """One size of a series, on one side of the split, in one group."""

    series: Series
    size: str
    parameters: int
    side: str  # train, heldout
    group: str
    forced: OverSplits
    free: OverSplits
    answers: tuple[AnswersOfSplits, ...]  # free-running, of each run
    run_ids: tuple[str, ...]

    @property
    def pooled(self) -> Rate:
        """All free-running answers, summed."""
        return pooled(each.rate for each in self.answers)

    @property
    def by_split(self) -> dict[Hashable, Rate]:
        """Answers summed over seeds, by split."""
        splits: dict[Hashable, list[Rate]] = {}
        for each in self.answers:
            splits.setdefault(each.split, []).append(each.rate)
        return {split: pooled(rates) for split, rates in splits.items()}


@dataclass(frozen=True, kw_only=True)
class ComparedSizes:
    """The largest size of a series minus the smallest, all groups together, free-running."""

    series: Series
    side: str
    smaller: AccuracyPoint
    larger: AccuracyPoint
    apart: OverSplits | None


@dataclass(frozen=True, kw_only=True)
class Study:
    """``runs`` is the table with derived columns; ``points`` go by series, then size."""

    runs: pl.DataFrame
    points: tuple[AccuracyPoint, ...]
    wholes: tuple[AccuracyPoint, ...]  # of all groups together, or of the only one
    compared: tuple[ComparedSizes, ...]
    knowledge: pl.DataFrame  # runs on biographies, with the bits they were given and have stored
    recalls: tuple[Row, ...]  # recall of biographies, by attribute and exposures

    def of(self, series: Series, side: str) -> list[AccuracyPoint]:
        """Return the series' points over all groups, one per size."""
        return [each for each in self.wholes if (each.series, each.side) == (series, side)]

    def runs_of(self, series: Series) -> list[str]:
        """Return every run behind a series."""
        points = (each for each in self.points if each.series == series)
        return list(dict.fromkeys(run_id for each in points for run_id in each.run_ids))

    @property
    def series(self) -> list[Series]:
        """All series, in the order of points."""
        return list(dict.fromkeys(each.series for each in self.points))

    @property
    def extrapolated(self) -> list[ComparedSizes]:
        """The comparisons on held-out arithmetic."""
        return [
            each
            for each in self.compared
            if each.side == "heldout" and each.series.subject == "arithmetic"
        ]


def study(results: Results) -> Study:
    """Derive everything; raises ValueError if no run measured exact matches."""
    runs = results.table
    measured = [name for name in runs.columns if name.startswith(MEASURED)]
    if not measured:
        raise ValueError("no finished run measured exact matches: add exact_match to measure")
    runs = _with_split(runs.filter(pl.any_horizontal(pl.col(measured).is_not_null())))
    runs = with_setting(runs, at=["trained_on", "split", "split_seed", "size", "seed"])
    points = tuple(_points(_matches(runs)))
    several = {_place(each) for each in points if each.group == ALL}
    wholes = [each for each in points if each.group == ALL or _place(each) not in several]
    people = runs.filter(pl.col("trained_on") == "biographies")
    people = people.sort("parameters", "setting", "seed")
    return Study(
        runs=runs.sort("trained_on", "split", "setting", "parameters", "split_seed", "seed"),
        points=points,
        wholes=tuple(wholes),
        compared=tuple(_compared(wholes)),
        knowledge=_knowledge(people),
        recalls=tuple(_recalls(results, people)),
    )


def _with_split(runs: pl.DataFrame) -> pl.DataFrame:
    """Add ``trained_on``, the ``split`` of arithmetic, its ``split_seed``, and ``size``.

    The split of a part is that of the mixture; "" and 0 if held-out items are not drawn.
    """
    splits = [name for name in runs.columns if name.endswith(".split._target_")]
    seeds = [name for name in runs.columns if name.endswith(".split.seed")]
    split = pl.coalesce(splits).str.split(".").list.last() if splits else pl.lit(None, pl.String)
    return runs.with_columns(
        trained_on=pl.col("task._target_").str.split(".").list.last().replace(TASKS),
        split=split.str.to_lowercase().fill_null(""),
        split_seed=(pl.coalesce(seeds) if seeds else pl.lit(None)).cast(pl.Int64).fill_null(0),
        size=shape(),
    )


def _matches(runs: pl.DataFrame) -> pl.DataFrame:
    """Return a row per run, side, subject and group, and one for several groups together.

    ``subject`` is the part of a mixture that the items test, or else the task.
    """
    found = [match for name in runs.columns if (match := TRIED.fullmatch(name))]
    parts = sorted({match[1] for name in runs.columns if (match := PARTS.fullmatch(name))})
    long = pl.concat([_of_group(runs, match[1], match[2], parts) for match in found])
    keys = [*RUN, "side", "subject"]
    several = long.filter(pl.n_unique("group").over(keys) > 1)
    summed = several.group_by(keys, maintain_order=True).agg(pl.col(COUNTS).sum())
    together = summed.with_columns(group=pl.lit(ALL)).select(long.columns)
    return pl.concat([long, together]).sort("parameters", maintain_order=True)


def _of_group(runs: pl.DataFrame, side: str, name: str, parts: list[str]) -> pl.DataFrame:
    part = next((part for part in parts if name.startswith(f"{part}_")), None)
    is_joint = pl.col("trained_on") == TASKS["Mixture"]
    own = f"{MEASURED}{side}_{name}"
    asked = runs.filter(is_joint if part else ~is_joint, pl.col(f"{own}_tried") > 0)
    return asked.select(
        *RUN,
        pl.lit(side).alias("side"),
        (pl.lit(part) if part else pl.col("trained_on")).alias("subject"),
        pl.lit(name.removeprefix(f"{part}_")).alias("group"),
        *(pl.col(f"{own}_{count}").cast(pl.Int64).alias(count) for count in COUNTS),
    )


def _points(rows: pl.DataFrame) -> Iterable[AccuracyPoint]:
    ordered = rows.sort(SERIES, maintain_order=True)
    for part in ordered.partition_by(*SERIES, "size", "side", "group", maintain_order=True):
        first = part.row(0, named=True)
        free = _answers(part, "right_free")
        yield AccuracyPoint(
            series=Series(**{key: first[key] for key in SERIES}),
            **{key: first[key] for key in ("size", "parameters", "side", "group")},
            forced=share(_answers(part, "right_forced")),
            free=share(free),
            answers=free,
            run_ids=tuple(part["run_id"]),
        )


def _answers(rows: pl.DataFrame, right: str) -> tuple[AnswersOfSplits, ...]:
    counts = rows.select("split_seed", "seed", right, "tried").iter_rows()
    return tuple(
        AnswersOfSplits(split=split, seed=seed, rate=rate(*both)) for split, seed, *both in counts
    )


def _compared(wholes: Sequence[AccuracyPoint]) -> Iterable[ComparedSizes]:
    for series, side in dict.fromkeys((each.series, each.side) for each in wholes):
        sizes = [each for each in wholes if (each.series, each.side) == (series, side)]
        smaller = min(sizes, key=lambda each: each.parameters)
        larger = max(sizes, key=lambda each: each.parameters)
        if smaller is not larger:
            apart = share_difference(larger.answers, smaller.answers)
            yield ComparedSizes(
                series=series, side=side, smaller=smaller, larger=larger, apart=apart
            )


def _place(point: AccuracyPoint) -> tuple[Series, str, str]:
    return point.series, point.side, point.size


def _knowledge(people: pl.DataFrame) -> pl.DataFrame:
    """Add ``given_bits``, the entropy of all values; each fact counts once."""
    if people.is_empty():
        return people
    known = derive(people, ["knowledge_bits", "knowledge_bits_per_parameter"])
    return known.with_columns(given_bits=pl.sum_horizontal(pl.col(ENTROPY)))


def _recalls(results: Results, people: pl.DataFrame) -> Iterable[Row]:
    """Sum, over runs of one size, facts of one attribute with equal exposures."""
    for runs in people.partition_by("size", "setting", maintain_order=True):
        items = pl.concat([_items(results, run_id) for run_id in runs["run_id"]])
        for part in items.partition_by("attribute", "exposures", maintain_order=True):
            yield {
                **runs.select("size", "setting").row(0, named=True),
                **part.select("attribute", "exposures", "entropy_bits").row(0, named=True),
                "recalled": rate(int(part["right"].to_numpy().sum()), part.height),
                "stored_bits": (part["entropy_bits"] - part["code_bits"]).mean(),
            }


def _items(results: Results, run_id: str) -> pl.DataFrame:
    """Return every fact of a run: its exposures (0: held out), bits, and whether it is recalled."""
    arrays = results.folders[run_id].arrays()
    own = {key.removeprefix(MEASURED): values for key, values in arrays.items()}
    return pl.DataFrame(
        {
            "attribute": own["groups"][own["group"]],
            "exposures": own["exposures"].astype(np.int64),
            "entropy_bits": own["answer_bits"].astype(np.float64),
            "code_bits": own["answer_code_bits"].astype(np.float64),
            "right": own["right_free"].astype(np.int64),
        }
    ).sort("attribute", "exposures")
