"""Derive everything that the report on leakage states, before anything is drawn.

Rows are mappings, each for one ``series`` (a size and its settings) and one N, the number of
training sequences; ``runs`` are the ids of all its seeds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from rote.analysis.estimate import Estimate, Rate
from rote.analysis.estimators import mean_of_estimates, pooled, rank_correlation
from rote.analysis.metrics import METRICS, Metric
from rote.analysis.quantities.exposure import compare_with_chance
from rote.analysis.quantities.leakage import (
    DP_EPSILON,
    GUESSES,
    SIZE,
    Leakage,
    judged,
    leakage_runs,
    read,
    with_kinds,
)
from rote.analysis.quantities.membership import MembershipQuality, TooFewControls
from rote.analysis.quantities.shadows import groups, shadow_scores
from rote.analysis.reports.leakage import sizes
from rote.analysis.reports.leakage.law import FittedReading, fit_laws
from rote.analysis.reports.leakage.sizes import Row
from rote.analysis.results import Results

LOSS = "heldout_bits_per_token"
INSERTED = pl.col("repeats") > 0


@dataclass(frozen=True, kw_only=True)
class Study:
    """All results; ``runs`` is the table with all derived columns, by size, N and seed."""

    runs: pl.DataFrame
    laws: tuple[FittedReading, ...]  # both readings; empty without membership
    scored: list[Row]  # score, qualities (one a run), singles, auroc, found, reason
    shadowed: list[Row]  # likewise, with shadows; auroc is None if there is a reason
    private: list[Row]  # of runs with DP-SGD: planned, bounds
    planted: list[Row]  # repeats, exposure, most_bits, secret_bits, fitted, num_fitted, extracted
    controls: list[Row]  # chance
    fits: pl.DataFrame  # canaries whose references have a fitted skew-normal
    windows: list[Row]  # prefix, extraction
    levels: list[Row]  # kind, level
    compared: list[Row]  # kind, smaller, larger, apart; N is None for the mean over N

    @cached_property
    def series(self) -> list[str]:
        """All series, in the order of size."""
        return list(self.parameters)

    @cached_property
    def parameters(self) -> Mapping[str, int]:
        """Parameters of each series."""
        first = self.runs.unique("series", keep="first", maintain_order=True)
        return dict(zip(first["series"], first["parameters"], strict=True))

    @property
    def kinds(self) -> list[Metric]:
        """Kinds of leakage that any run measured."""
        return [METRICS[name] for name in GUESSES if self.runs[name].count()]

    @property
    def leaking(self) -> list[Metric]:
        """Kinds whose whole interval exceeds a guess somewhere."""
        above = [
            row["kind"] for row in self.levels if row["level"].exceeds(GUESSES[row["kind"].name])
        ]
        return [kind for kind in self.kinds if kind in above]

    def ends(self, rows: Sequence[Row], name: str) -> dict[str, Estimate]:
        """Return the means of an estimate in the smallest and the largest size that have any."""
        having = [one for one in self.series if any(row["series"] == one for row in rows)]
        return {
            one: mean_of_estimates([row[name] for row in rows if row["series"] == one])
            for one in dict.fromkeys((having[0], having[-1]))
        }

    def with_loss(self, kind: Metric, *, at_equal_n: bool) -> Estimate | None:
        """Return the rank correlation of held-out loss with a kind over runs; None for too few.

        At equal N it is that of ranks among the runs of one N, minus their mean.
        """
        names = [LOSS, kind.name]
        known = self.runs.drop_nulls(names)
        if at_equal_n:
            ranks = [pl.col(name).rank() for name in names]
            known = known.with_columns((rank - rank.mean()).over(SIZE) for rank in ranks)
        return rank_correlation(*(known[name] for name in names))


def study(results: Results) -> Study:
    """Derive everything; raises ValueError if there are no runs, or if none measured leakage."""
    bare = leakage_runs(results)
    leakage = read(results, bare)
    runs = with_kinds(bare, leakage)
    known = runs.select("run_id", "parameters", "series", SIZE, "seed")
    order = ("parameters", "series", SIZE)
    canaries, windows = (
        each.join(known, on="run_id", maintain_order="left").sort(*order, key, maintain_order=True)
        for each, key in ((leakage.canaries, "repeats"), (leakage.windows, "prefix"))
    )
    inserted = canaries.filter(INSERTED)
    found = list(sizes.levels(runs, leakage, inserted))
    return Study(
        runs=runs,
        laws=fit_laws(runs),
        scored=[row for part in _places(runs) for row in _scores(part, leakage)],
        shadowed=list(_shadowed(runs, leakage)),
        private=[
            {**row, "planned": row[DP_EPSILON], "bounds": leakage.privacy[row["run_id"]]}
            for row in runs.iter_rows(named=True)
            if row["run_id"] in leakage.privacy
        ],
        planted=[_planted(part) for part in _places(canaries, "repeats")],
        controls=[
            {**_place(part), "chance": compare_with_chance(part["bits"])}
            for part in _places(canaries.filter(~INSERTED))
        ],
        fits=canaries.filter("is_fitted"),
        windows=[_windows(part) for part in _places(windows, "prefix")],
        levels=found,
        compared=list(sizes.compared(runs, found, inserted)),
    )


def _places(table: pl.DataFrame, *more: str) -> list[pl.DataFrame]:
    """Split into parts of one series and N, in order."""
    return [part for _, part in table.group_by("series", SIZE, *more, maintain_order=True)]


def _place(part: pl.DataFrame) -> dict[str, Any]:
    return {
        "series": part["series"][0],
        "N": part[SIZE][0],
        "runs": part["run_id"].unique(maintain_order=True).to_list(),
    }


def _planted(part: pl.DataFrame) -> Row:
    """Summarise canaries that were inserted equally often."""
    by_run = part.group_by("run_id", maintain_order=True).agg(
        pl.col("bits").mean(), pl.col("is_extracted").cast(pl.Float64).mean()
    )
    return {
        **_place(part),
        "repeats": part["repeats"][0],
        "exposure": sizes.exposure(part),
        "exposure_by_run": dict(by_run.select("run_id", "bits").iter_rows()),
        "most_bits": part["most_bits"].mean(),
        "secret_bits": part["secret_bits"].mean(),
        "fitted": part["fitted_bits"].mean(),
        "num_fitted": part["fitted_bits"].count(),
        "extracted": sizes.recited(part) if part["is_extracted"].count() else None,
        "extracted_by_run": dict(by_run.select("run_id", "is_extracted").iter_rows()),
    }


def _windows(part: pl.DataFrame) -> Row:
    found = sizes.extraction(part)
    return {
        **_place(part),
        "prefix": part["prefix"][0],
        "extraction": found,
        "excess": found.excess,
        "singles": {
            one["run_id"][0]: sizes.extraction(one).excess.value for one in part.iter_slices(1)
        },
    }


def _scores(part: pl.DataFrame, leakage: Leakage) -> Iterator[Row]:
    """Yield every score that a run has alone or with its oracle."""
    of_runs = {run_id: leakage.qualities[run_id] for run_id in part["run_id"]}
    for name in dict.fromkeys(name for scores in of_runs.values() for name in scores):
        having = {run_id: scores[name] for run_id, scores in of_runs.items() if name in scores}
        yield _score(_place(part), name, having)


def _score(place: Row, name: str, qualities: Mapping[str, MembershipQuality]) -> Row:
    each_run = list(qualities.values())
    by_rate = zip(*(each.at_false_positive_rates for each in each_run), strict=True)
    return {
        **place,
        "score": name,
        "runs": list(qualities),
        "qualities": qualities,
        "singles": {run_id: each.auroc.value for run_id, each in qualities.items()},
        "auroc": mean_of_estimates([each.auroc for each in each_run]),
        "found": [
            _pooled([x if isinstance(x, TooFewControls) else x.members_found for x in found])
            for found in by_rate
        ],
        "excluded": _pooled([each.nonmembers_excluded for each in each_run]),
        "members": sum(each.num_members for each in each_run),
        "others": sum(each.num_nonmembers for each in each_run),
    }


def _pooled(found: Sequence[Rate | TooFewControls]) -> Rate | TooFewControls:
    """Return the summed rate over runs, or why it is refused in one."""
    refused = next((each for each in found if isinstance(each, TooFewControls)), None)
    return refused or pooled(each for each in found if isinstance(each, Rate))


def _shadowed(runs: pl.DataFrame, leakage: Leakage) -> Iterator[Row]:
    """Yield scores with shadows, with every run of a group as the target once."""
    for group in groups(runs):
        part = runs.filter(pl.col("run_id").is_in(group))
        scores = {
            target: shadow_scores(
                leakage.codes[target],
                [leakage.codes[each] for each in group if each != target],
                length=part["task.length"][0],
            )
            for target in group
        }
        for name in scores[group[0]]:
            pairs = {target: scores[target][name] for target in group}
            if reasons := [pair for pair in pairs.values() if isinstance(pair, str)]:
                yield {**_place(part), "score": name, "auroc": None, "reason": reasons[0]}
            else:
                known = {one: pair for one, pair in pairs.items() if not isinstance(pair, str)}
                qualities = {one: judged(one, {name: pair})[name] for one, pair in known.items()}
                yield _score(_place(part), name, qualities)
