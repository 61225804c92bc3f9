"""The kinds of leakage as one number a run, and how much more of each a larger model leaks."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.estimate import Estimate, Rate
from rote.analysis.estimators import difference, mean_of_estimates, paired_difference, rate
from rote.analysis.quantities.exposure import CHANCE_BITS
from rote.analysis.reports.leakage.reading import HEADLINE, Canaries, Told

FEWEST_PAIRS = 8  # canaries: of fewer bounded differences Student's t covers 71 to 95 %


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of leakage: its column and how it is told."""

    column: str
    title: str
    form: str  # of a value
    apart: str  # of a difference
    chance: float  # what is no leakage


KINDS = (
    Kind(column="f1", title="membership F1", form="{:.3f}", apart="{:+.3f}", chance=0.5),
    Kind(
        column="exposure_bits",
        title="exposure of inserted canaries (bits)",
        form="{:.2f}",
        apart="{:+.2f}",
        chance=CHANCE_BITS,
    ),
    Kind(
        column="canaries_extracted",
        title="inserted canaries extracted",
        form="{:.1%}",
        apart="{:+.1%}",
        chance=0.0,
    ),
    Kind(
        column="windows_excess",
        title="windows extracted, less held-out",
        form="{:.1%}",
        apart="{:+.1%}",
        chance=0.0,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The largest size less the smallest, all else equal."""

    kind: Kind
    num_sequences: int | None  # None: mean over all N that both were trained on
    smaller: float
    larger: float
    apart: Estimate
    run_ids: tuple[str, ...]


Pairs = Mapping[tuple[int, int], tuple[float, float]]  # (seed, place in manifest): small, large


def with_kinds(runs: pl.DataFrame, told: Mapping[str, Told]) -> pl.DataFrame:
    """A column for each kind, null where a run has not measured it.

    Canaries are all that were inserted, however often; windows are those with the longest prefix,
    less the rate of held-out ones.
    """
    rows = [{"run_id": run_id, **_row(told[run_id])} for run_id in runs["run_id"]]
    names = (
        "f1", "f1_low", "f1_high", "largest_f1", "balanced_accuracy", "auroc", "exposure_bits",
        "canaries_extracted",
    )  # fmt: skip
    schema = {
        "run_id": pl.String,
        **dict.fromkeys((*names, "windows_excess"), pl.Float64),
        "oracle_id": pl.String,
    }
    return runs.join(pl.DataFrame(rows, schema=schema), on="run_id", how="left")


def measured(runs: pl.DataFrame) -> list[Kind]:
    """Those that any run has measured."""
    return [kind for kind in KINDS if runs[kind.column].count()]


def _row(told: Told) -> dict[str, float | str | None]:
    quality = told.qualities.get(HEADLINE)
    canaries = told.canaries
    bits, extracted = (None, None) if canaries is None else _inserted(canaries)
    return {
        "f1": quality.f1.value if quality else None,
        "f1_low": quality.f1.low if quality else None,
        "f1_high": quality.f1.high if quality else None,
        "largest_f1": quality.largest_f1 if quality else None,
        "balanced_accuracy": quality.balanced_accuracy if quality else None,
        "auroc": quality.auroc.value if quality else None,
        "exposure_bits": bits,
        "canaries_extracted": extracted,
        "windows_excess": told.windows[-1].excess.value if told.windows else None,
        "oracle_id": told.oracle_id,
    }


def _inserted(canaries: Canaries) -> tuple[float | None, float | None]:
    chosen = canaries.inserted_K
    if not chosen.any():
        return None, None
    bits = float(canaries.exposures.bits_K[chosen].mean())
    tried = canaries.is_extracted_K
    return bits, None if tried is None else float(tried[chosen].mean())


def compared(runs: pl.DataFrame, told: Mapping[str, Told]) -> list[Compared]:
    """Each kind over all N, then at each; nothing where sizes are one, or not all that differs."""
    series = runs["series"].unique(maintain_order=True).to_list()
    if len(series) < 2 or len(series) > runs["parameters"].n_unique():
        return []
    ends = runs.filter(pl.col("series").is_in([series[0], series[-1]]))
    return [
        entry
        for kind, compare in zip(KINDS, (_f1, _exposure, _canaries, _windows), strict=True)
        for entry in _of_kind(kind, compare, ends, series[0], told)
    ]


def _of_kind(
    kind: Kind, compare: Any, ends: pl.DataFrame, smallest: str, told: Mapping[str, Told]
) -> Iterator[Compared]:
    known = ends.filter(pl.col(kind.column).is_not_null())
    at_each = []
    for part in known.partition_by("task.num_sequences", maintain_order=True):
        small = part.filter(pl.col("series") == smallest)
        large = part.filter(pl.col("series") != smallest)
        if small.is_empty() or large.is_empty():
            continue
        found = compare(small, large, told)
        if found is not None:
            at_each.append(_entry(kind, part, *found))
    overall = _overall(kind, known, smallest, told, at_each) if at_each else None
    if overall is None:
        return
    at_each.sort(key=lambda each: each.num_sequences or 0)
    yield Compared(
        kind=kind,
        num_sequences=None,
        smaller=float(np.mean([each.smaller for each in at_each])),
        larger=float(np.mean([each.larger for each in at_each])),
        apart=overall,
        run_ids=tuple(run_id for each in at_each for run_id in each.run_ids),
    )
    yield from at_each


def _entry(
    kind: Kind, part: pl.DataFrame, smaller: float, larger: float, apart: Estimate
) -> Compared:
    return Compared(
        kind=kind,
        num_sequences=part["task.num_sequences"][0],
        smaller=smaller,
        larger=larger,
        apart=apart,
        run_ids=tuple(part["run_id"]),
    )


Found = tuple[float, float, Estimate] | None


def _f1(small: pl.DataFrame, large: pl.DataFrame, told: Mapping[str, Told]) -> Found:
    one, other = (
        mean_of_estimates([told[run_id].qualities[HEADLINE].f1 for run_id in side["run_id"]])
        for side in (large, small)
    )
    return other.value, one.value, difference(one, other)


def _canaries(small: pl.DataFrame, large: pl.DataFrame, told: Mapping[str, Told]) -> Found:
    one, other = (_extracted(side, told) for side in (large, small))
    return other.value, one.value, difference(one, other)


def _windows(small: pl.DataFrame, large: pl.DataFrame, told: Mapping[str, Told]) -> Found:
    one, other = (
        mean_of_estimates([told[run_id].windows[-1].excess for run_id in side["run_id"]])
        for side in (large, small)
    )
    return other.value, one.value, difference(one, other)


def _exposure(small: pl.DataFrame, large: pl.DataFrame, told: Mapping[str, Told]) -> Found:
    pairs = list(_pairs(small, large, told).values())
    if not pairs:
        return None
    smaller, larger = np.array(pairs).T
    apart = paired_difference(larger - smaller, fewest=FEWEST_PAIRS)
    return (float(smaller.mean()), float(larger.mean()), apart) if apart.interval else None


def _pairs(small: pl.DataFrame, large: pl.DataFrame, told: Mapping[str, Told]) -> Pairs:
    """Inserted canaries of equal seeds: the same secrets in both models."""
    of_seed = dict(zip(large["seed"], large["run_id"], strict=True))
    found = {}
    for seed, run_id in zip(small["seed"], small["run_id"], strict=True):
        one, other = told[run_id].canaries, told[of_seed.get(seed, run_id)].canaries
        assert one is not None and other is not None  # both sides have exposures
        if seed not in of_seed or not _are_alike(one, other):
            continue
        for place in np.flatnonzero(one.inserted_K):
            bits = (float(one.exposures.bits_K[place]), float(other.exposures.bits_K[place]))
            found[seed, int(place)] = bits
    return found


def _are_alike(one: Canaries, other: Canaries) -> bool:
    return np.array_equal(one.exposures.repeats_K, other.exposures.repeats_K) and np.array_equal(
        one.secret_bits_K, other.secret_bits_K
    )


def _overall(
    kind: Kind,
    known: pl.DataFrame,
    smallest: str,
    told: Mapping[str, Told],
    at_each: Sequence[Compared],
) -> Estimate | None:
    """Over N; a canary that several N share counts as one thing."""
    if kind.column != "exposure_bits":
        return mean_of_estimates([each.apart for each in at_each])
    bits: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for part in known.partition_by("task.num_sequences"):
        is_small = pl.col("series") == smallest
        for key, pair in _pairs(part.filter(is_small), part.filter(~is_small), told).items():
            bits[key].append(pair)
    smaller, larger = np.array([np.mean(pairs, axis=0) for pairs in bits.values()]).T
    apart = paired_difference(larger - smaller, fewest=FEWEST_PAIRS)
    return apart if apart.interval else None


def _extracted(side: pl.DataFrame, told: Mapping[str, Told]) -> Rate:
    flags = [
        canaries.is_extracted_K[canaries.inserted_K]
        for run_id in side["run_id"]
        if (canaries := told[run_id].canaries) and canaries.is_extracted_K is not None
    ]
    return rate(int(sum(map(np.sum, flags))), sum(map(len, flags)))
