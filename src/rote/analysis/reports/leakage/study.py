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
from rote.analysis.estimators import mean_of_estimates, pooled, rank_correlation, rate
from rote.analysis.metrics import METRICS, Metric
from rote.analysis.quantities.exposure import compare_with_chance, mean_exposure
from rote.analysis.quantities.generations import Extraction
from rote.analysis.quantities.leakage import (
    GUESSES,
    SIZE,
    LeakageRun,
    judged,
    leakage_runs,
    read,
    with_kinds,
)
from rote.analysis.quantities.membership import (
    FALSE_POSITIVE_RATES,
    MembershipQuality,
    TooFewControls,
)
from rote.analysis.quantities.shadows import groups, shadow_scores
from rote.analysis.reports.leakage.law import FittedReading, fit_laws
from rote.analysis.reports.leakage.sizes import Row, compared, excess, levels
from rote.analysis.results import Results

LOSS = "heldout_bits_per_token"
INSERTED = pl.col("repeats") > 0


@dataclass(frozen=True, kw_only=True)
class Study:
    """All results; ``runs`` is the table with all derived columns, by size, N and seed."""

    runs: pl.DataFrame
    laws: tuple[FittedReading, ...]  # both readings; empty without membership
    scored: list[Row]  # score, qualities (one a run), auroc, found, reason
    shadowed: list[Row]  # likewise, with shadows; auroc is None if there is a reason
    planted: list[Row]  # repeats, exposure, most_bits, secret_bits, fitted, num_fitted, extracted
    controls: list[Row]  # chance
    fits: pl.DataFrame  # canaries whose references have a fitted skew-normal
    windows: list[Row]  # prefix, extraction
    levels: list[Row]  # kind, level
    compared: list[Row]  # kind, smaller, larger, apart; N is None for the mean over N

    @cached_property
    def series(self) -> list[str]:
        """All series, in the order of size."""
        return self.runs["series"].unique(maintain_order=True).to_list()

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
        above = {
            row["kind"].name
            for row in self.levels
            if row["level"].interval and row["level"].interval[0] > GUESSES[row["kind"].name]
        }
        return [kind for kind in self.kinds if kind.name in above]

    @property
    def has_loss(self) -> bool:
        """Whether any run measured both leakage and held-out loss."""
        return any(self.runs.drop_nulls([LOSS, kind.name]).height for kind in self.kinds)

    @property
    def has_shadows(self) -> bool:
        """Whether any score with shadows could be computed."""
        return any(row["auroc"] for row in self.shadowed)

    @property
    def has_tried(self) -> bool:
        """Whether any run tried to extract canaries."""
        return any(row["extracted"] for row in self.planted)

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
    found = list(levels(runs, leakage, inserted))
    return Study(
        runs=runs,
        laws=fit_laws(runs),
        scored=[row for part in _places(runs) for row in _scores(part, leakage)],
        shadowed=list(_shadowed(runs, leakage)),
        planted=[_planted(part) for part in _places(canaries, "repeats")],
        controls=[
            {**_place(part), "chance": compare_with_chance(part["bits"])}
            for part in _places(canaries.filter(~INSERTED))
        ],
        fits=canaries.filter("is_fitted"),
        windows=[_windows(part) for part in _places(windows, "prefix")],
        levels=found,
        compared=list(compared(runs, found, inserted)),
    )


def _places(table: pl.DataFrame, *more: str) -> list[pl.DataFrame]:
    """Split into parts of one series and N, in order."""
    if table.is_empty():
        return []
    return table.partition_by("series", SIZE, *more, maintain_order=True)


def _place(part: pl.DataFrame) -> dict[str, Any]:
    return {
        "series": part["series"][0],
        "N": part[SIZE][0],
        "runs": part["run_id"].unique(maintain_order=True).to_list(),
    }


def _planted(part: pl.DataFrame) -> Row:
    """Summarise canaries that were inserted equally often."""
    tried = part["is_extracted"]
    return {
        **_place(part),
        "repeats": part["repeats"][0],
        "exposure": mean_exposure(
            part["bits"], most_bits=float(part["most_bits"].to_numpy().max())
        ),
        "exposure_by_run": _by_run(part, pl.col("bits")),
        "most_bits": part["most_bits"].mean(),
        "secret_bits": part["secret_bits"].mean(),
        "fitted": part["fitted_bits"].mean(),
        "num_fitted": part["fitted_bits"].count(),
        "extracted": rate(int(tried.sum()), tried.count()) if tried.count() else None,
        "extracted_by_run": _by_run(part, pl.col("is_extracted").cast(pl.Float64)),
    }


def _by_run(part: pl.DataFrame, value: pl.Expr) -> dict[str, float | None]:
    return dict(part.group_by("run_id", maintain_order=True).agg(value.mean()).iter_rows())


def _windows(part: pl.DataFrame) -> Row:
    counts = part.select(pl.exclude(pl.String).sum()).row(0, named=True)
    extraction = Extraction(
        train=rate(counts["train"], counts["train_tried"]),
        # Held-out windows are the same for all seeds.
        heldout=rate(counts["heldout"], counts["heldout_tried"], times_asked=part.height),
    )
    return {
        **_place(part),
        "prefix": part["prefix"][0],
        "extraction": extraction,
        "excess": extraction.excess,
        "singles": {row["run_id"]: excess(row).value for row in part.iter_rows(named=True)},
    }


def _scores(part: pl.DataFrame, leakage: LeakageRun) -> Iterator[Row]:
    """Yield every score that a run has alone or with its oracle."""
    of_runs = {run_id: leakage.qualities[run_id] for run_id in part["run_id"]}
    for name in dict.fromkeys(name for scores in of_runs.values() for name in scores):
        having = {run_id: scores[name] for run_id, scores in of_runs.items() if name in scores}
        yield _score(_place(part), name, having)


def _score(place: Row, name: str, qualities: Mapping[str, MembershipQuality]) -> Row:
    judged_runs = list(qualities.values())
    return {
        **place,
        "score": name,
        "runs": list(qualities),
        "qualities": qualities,
        "auroc": mean_of_estimates([each.auroc for each in judged_runs]),
        "found": [_members_found(judged_runs, each) for each in range(len(FALSE_POSITIVE_RATES))],
        "members": sum(each.num_members for each in judged_runs),
        "others": sum(each.num_nonmembers for each in judged_runs),
    }


def _members_found(qualities: Sequence[MembershipQuality], which: int) -> Rate | TooFewControls:
    """Return the summed rate at the false-positive rate of this index, or why it is refused."""
    counted = []
    for quality in qualities:
        found = quality.at_false_positive_rates[which]
        if isinstance(found, TooFewControls):
            return found
        counted.append(found.members_found)
    return pooled(counted)


def _shadowed(runs: pl.DataFrame, leakage: LeakageRun) -> Iterator[Row]:
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
            reason = next((pair for pair in pairs.values() if isinstance(pair, str)), None)
            if reason is not None:
                yield {**_place(part), "score": name, "auroc": None, "reason": reason}
                continue
            qualities = {
                target: judged(target, {name: pair})[name]
                for target, pair in pairs.items()
                if not isinstance(pair, str)
            }
            yield _score(_place(part), name, qualities)
