"""Estimate each kind of leakage at each size and N, and how much more the largest size leaks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.estimate import Estimate, Rate
from rote.analysis.estimators import difference, mean_of_estimates, paired_difference, rate
from rote.analysis.metrics import METRICS
from rote.analysis.quantities.exposure import mean_exposure
from rote.analysis.quantities.leakage import GUESSES, HEADLINE, SIZE, LeakageRun

Row = Mapping[str, Any]
FEWEST_PAIRS = 8  # canaries: with fewer bounded differences Student's t covers 71 to 95 %


def levels(runs: pl.DataFrame, leakage: LeakageRun, inserted: pl.DataFrame) -> Iterator[Row]:
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
    ends = series[0], series[-1]
    for name in GUESSES:
        at = {(row["series"], row["N"]): row for row in found if row["kind"].name == name}
        numbers = sorted(number for one, number in at if one == ends[0] and (ends[1], number) in at)
        pairs = _pairs(inserted, ends) if name == "exposure_bits" else None
        rows: list[Row] = []
        for number in numbers:
            small, large = (at[one, number] for one in ends)
            apart = (
                difference(large["level"], small["level"])
                if pairs is None
                else _paired(pairs.filter(pl.col(SIZE) == number))
            )
            if apart is not None:
                rows.append(
                    {
                        "kind": METRICS[name], "N": number, "apart": apart,
                        "smaller": small["level"].value, "larger": large["level"].value,
                        "runs": [*small["runs"], *large["runs"]],
                    }
                )  # fmt: skip
        yield from _with_overall(rows, pairs)


def _with_overall(rows: list[Row], pairs: pl.DataFrame | None) -> Iterator[Row]:
    """Yield the mean over N first, in which a canary that several N share counts once."""
    if not rows:
        return
    apart: Estimate | None
    if pairs is None:
        apart = mean_of_estimates([row["apart"] for row in rows])
    else:
        apart = _paired(pairs.group_by("seed", "place", maintain_order=True).mean())
    if apart is not None:
        yield {
            "kind": rows[0]["kind"], "N": None, "apart": apart,
            "smaller": float(np.mean([row["smaller"] for row in rows])),
            "larger": float(np.mean([row["larger"] for row in rows])),
            "runs": [run_id for row in rows for run_id in row["runs"]],
        }  # fmt: skip
        yield from rows


def _level(name: str, ids: list[str], leakage: LeakageRun, inserted: pl.DataFrame) -> Estimate:
    if name == "f1":
        return mean_of_estimates([leakage.qualities[each][HEADLINE].f1 for each in ids])
    if name == "windows_excess":
        own = leakage.windows.filter(pl.col("run_id").is_in(ids))
        longest = own.filter(pl.col("prefix") == pl.col("prefix").max().over("run_id"))
        return mean_of_estimates([excess(row) for row in longest.iter_rows(named=True)])
    return exposure(inserted) if name == "exposure_bits" else recited(inserted)


def exposure(canaries: pl.DataFrame) -> Estimate:
    """Return the mean exposure of canaries in bits."""
    return mean_exposure(canaries["bits"], most_bits=float(canaries["most_bits"].to_numpy().max()))


def recited(canaries: pl.DataFrame) -> Rate:
    """Return the share of canaries, among those tried, that greedy decoding gives whole."""
    tried = canaries["is_extracted"]
    return rate(int(tried.sum()), tried.count())


def excess(row: Row) -> Estimate:
    """Return one run's rate of training windows minus that of held-out windows."""
    train, heldout = (rate(row[side], row[f"{side}_tried"]) for side in ("train", "heldout"))
    return difference(train, heldout)


def _pairs(inserted: pl.DataFrame, ends: tuple[str, str]) -> pl.DataFrame:
    """Return canaries of equal seeds: the same secrets in both models."""
    small, large = (inserted.filter(pl.col("series") == one) for one in ends)
    same = [SIZE, "seed", "place", "repeats", "secret_bits"]
    return small.join(large, on=same, suffix="_larger").select(*same, "bits", "bits_larger")


def _paired(pairs: pl.DataFrame) -> Estimate | None:
    if pairs.is_empty():
        return None
    apart = paired_difference(pairs["bits_larger"] - pairs["bits"], fewest=FEWEST_PAIRS)
    return apart if apart.interval else None
