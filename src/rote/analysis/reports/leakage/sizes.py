"""Estimate each kind of leakage at each size and N, and how much more the largest size leaks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.estimate import Estimate, Rate
from rote.analysis.estimators import difference, mean_of_estimates, paired_difference, rate
from rote.analysis.metrics import METRICS
from rote.analysis.quantities.exposure import mean_exposure
from rote.analysis.quantities.generations import Extraction
from rote.analysis.quantities.leakage import GUESSES, HEADLINE, SIZE, Leakage

Row = Mapping[str, Any]
FEWEST_PAIRS = 8  # canaries: with fewer bounded differences Student's t covers 71 to 95 %


def levels(runs: pl.DataFrame, leakage: Leakage, inserted: pl.DataFrame) -> Iterator[Row]:
    """Yield each kind at each size and N; ``inserted`` are the canaries that are not controls."""
    for name in GUESSES:
        known = runs.drop_nulls(name)
        for (series, number), part in known.group_by("series", SIZE, maintain_order=True):
            ids = part["run_id"].to_list()
            level = _level(name, ids, leakage, inserted.filter(pl.col("run_id").is_in(ids)))
            yield {
                "kind": METRICS[name], "series": series, "N": number, "runs": ids, "level": level,
                "singles": dict(zip(ids, part[name], strict=True)),
            }  # fmt: skip


def compared(runs: pl.DataFrame, found: Sequence[Row], inserted: pl.DataFrame) -> Iterator[Row]:
    """Yield the largest size minus the smallest over all N, then at each; ``found``: `levels`.

    Yields nothing for a single size, or if more than the size differs.
    """
    series = runs["series"].unique(maintain_order=True).to_list()
    if len(series) < 2 or len(series) > runs["parameters"].n_unique():
        return
    first, last = series[0], series[-1]
    for name in GUESSES:
        at = {(row["series"], row["N"]): row for row in found if row["kind"].name == name}
        numbers = sorted(number for one, number in at if one == first and (last, number) in at)
        ends = {number: (at[first, number], at[last, number]) for number in numbers}
        if name == "exposure_bits":  # a canary that several N share counts once over all N
            pairs = _pairs(inserted, first, last)
            apart = {number: _paired(pairs.filter(pl.col(SIZE) == number)) for number in numbers}
            overall = _paired(pairs.group_by("seed", "place", maintain_order=True).mean())
        else:
            apart = {number: difference(large["level"], small["level"])
                     for number, (small, large) in ends.items()}  # fmt: skip
            overall = (
                mean_of_estimates([each for each in apart.values() if each]) if apart else None
            )
        known = {number: each for number, each in apart.items() if each}
        if known and overall:
            yield _compared(None, overall, [ends[number] for number in known])
            for number, each in known.items():
                yield _compared(number, each, [ends[number]])


def _compared(number: int | None, apart: Estimate, ends: Sequence[tuple[Row, Row]]) -> Row:
    smaller, larger = (
        float(np.mean([pair[side]["level"].value for pair in ends])) for side in (0, 1)
    )
    return {
        "kind": ends[0][0]["kind"], "N": number, "apart": apart,
        "smaller": smaller, "larger": larger,
        "runs": [run_id for pair in ends for row in pair for run_id in row["runs"]],
    }  # fmt: skip


def _level(name: str, ids: list[str], leakage: Leakage, inserted: pl.DataFrame) -> Estimate:
    if name == "f1":
        return mean_of_estimates([leakage.qualities[each][HEADLINE].f1 for each in ids])
    if name == "windows_excess":
        own = leakage.windows.filter(pl.col("run_id").is_in(ids))
        longest = own.filter(pl.col("prefix") == pl.col("prefix").max().over("run_id"))
        return mean_of_estimates([extraction(each).excess for each in longest.iter_slices(1)])
    return exposure(inserted) if name == "exposure_bits" else recited(inserted)


def exposure(canaries: pl.DataFrame) -> Estimate:
    """Return the mean exposure of canaries in bits."""
    return mean_exposure(canaries["bits"], most_bits=float(canaries["most_bits"].to_numpy().max()))


def recited(canaries: pl.DataFrame) -> Rate:
    """Return the share of canaries, among those tried, that greedy decoding gives whole."""
    tried = canaries["is_extracted"]
    return rate(int(tried.sum()), tried.count())


def extraction(windows: pl.DataFrame) -> Extraction:
    """Add up the counts of runs that differ in their seed: they have the same held-out windows."""
    counts = windows.select(pl.exclude(pl.String).sum()).row(0, named=True)
    return Extraction(
        train=rate(counts["train"], counts["train_tried"]),
        heldout=rate(counts["heldout"], counts["heldout_tried"], times_asked=windows.height),
    )


def _pairs(inserted: pl.DataFrame, first: str, last: str) -> pl.DataFrame:
    """Return canaries of equal seeds: the same secrets in both models."""
    small, large = (inserted.filter(pl.col("series") == one) for one in (first, last))
    same = [SIZE, "seed", "place", "repeats", "secret_bits"]
    return small.join(large, on=same, suffix="_larger").select(*same, "bits", "bits_larger")


def _paired(pairs: pl.DataFrame) -> Estimate | None:
    if pairs.is_empty():
        return None
    apart = paired_difference(pairs["bits_larger"] - pairs["bits"], fewest=FEWEST_PAIRS)
    return apart if apart.interval else None
