"""Read the leakage of each run from its arrays: membership scores, canaries and windows.

Shapes: K canaries of a run, N sequences of a split.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rote.analysis.quantities import shadows
from rote.analysis.quantities.convergence import loss_quantities
from rote.analysis.quantities.exposure import CHANCE_BITS, exposures
from rote.analysis.quantities.membership import (
    MembershipQuality,
    TooFewControls,
    membership_quality,
)
from rote.analysis.quantities.privacy import PrivacyBounds, privacy_bounds
from rote.analysis.quantities.settings import SOURCES, with_series
from rote.analysis.quantities.shadows import Codes, Pair
from rote.analysis.results import Results
from rote.core.progress import with_progress

Arrays = Mapping[str, NDArray[Any]]

HEADLINE = "loss"  # the score whose F1 stands for the run
RESAMPLES, FEWER_RESAMPLES = 1000, 200  # resamples for the headline score, and for each other score
UNUSED = 2  # resamples for an interval that is not used
SIZE = "task.num_sequences"
LIFTED = ("num_sequences", "length", "pool", "corpus")  # of the task that canaries are planted in
COST = [
    f"cost.{split}_{name}"
    for split in ("train", "heldout")
    for name in ("code_bits", "tokens", "sequences")
]
MEASURES = {  # a column that each measure stores
    "membership": "membership.members",
    "exposure": "exposure.canaries",
    "extraction": "extraction.train_tried",
}
# Kinds of leakage as one number per run, by their names in `rote.analysis.metrics`, and the leakage
# of a model that remembers nothing.
GUESSES = {
    "f1": 0.5,
    "exposure_bits": CHANCE_BITS,
    "canaries_extracted": 0.0,
    "windows_excess": 0.0,
}
OF_QUALITY = (
    "f1", "f1_low", "f1_high", "largest_f1", "balanced_accuracy", "auroc", "nonmembers_excluded",
)  # fmt: skip
DP_EPSILON, DP_DELTA = "control.dp_sgd.epsilon", "control.dp_sgd.delta"
SCORES = {
    "run_id": pl.String(),
    "oracle_id": pl.String(),
    **dict.fromkeys(OF_QUALITY, pl.Float64()),
}
CANARIES = {
    "run_id": pl.String,
    "place": pl.Int64,  # index in the manifest
    "repeats": pl.Int64,  # 0: a control
    "bits": pl.Float64,  # its exposure
    "most_bits": pl.Float64,  # the largest that can be measured
    "secret_bits": pl.Float64,
    "is_fitted": pl.Boolean,  # whether a skew-normal is fitted to its references
    "fitted_bits": pl.Float64,  # exposure by the skew-normal; null if the test rejects it
    "is_extracted": pl.Boolean,  # null if the run did not try
}
WINDOWS = {
    "run_id": pl.String,
    "prefix": pl.Int64,  # tokens
    **dict.fromkeys(("train", "train_tried", "heldout", "heldout_tried"), pl.Int64),
}


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """Leakage of all runs; what a run did not measure has no entry and no row."""

    qualities: Mapping[str, Mapping[str, MembershipQuality]]  # by run id and score
    privacy: Mapping[str, PrivacyBounds]  # of runs with DP-SGD, by the headline score
    canaries: pl.DataFrame  # `CANARIES`, one row per run and canary
    windows: pl.DataFrame  # `WINDOWS`, counts per run and prefix
    oracles: Mapping[str, str | None]  # by run id
    codes: Mapping[str, Codes]  # of runs that have shadows


def leakage_runs(results: Results) -> pl.DataFrame:
    """Return runs that were trained on the data under attack, with losses and series.

    Raises ValueError if there are none, or if none of them measured leakage.
    """
    if results.table.is_empty():
        raise ValueError("no finished run to report on")
    table = _lifted(results.table)
    table = table.with_columns(
        pl.lit(None, pl.Float64).alias(name) for name in COST if name not in table.columns
    )
    for needed in (SIZE, "task.length"):
        if needed not in table.columns:
            raise ValueError(
                f"no run says {needed}: task text, uniform, or canaries in one of them"
            )
    if "task.pool" in table.columns:  # runs on the reference pool serve only as oracles
        table = table.filter(pl.col("task.pool").fill_null("train") == "train")
    if table.is_empty():
        raise ValueError("no finished run on the train pool (task.pool=train)")
    if not any(name in table.columns and table[name].count() for name in MEASURES.values()):
        raise ValueError(f"no run measured leakage: add {', '.join(MEASURES)} to measure")
    runs = with_series(loss_quantities(table, results.alphas))
    if (base := "task.base._target_") in runs.columns:
        last = pl.col(base).str.split(".").list.last()
        name = pl.format("{} with canaries", pl.col(base).replace_strict(SOURCES, default=last))
        runs = runs.with_columns(source=pl.coalesce(name, "source"))
    if runs["source"].n_unique() > 1:
        runs = runs.with_columns(series=pl.format("{}, {}", "source", "series"))
    # |D| counts canaries, since they are stored too; membership does not (`members_of`).
    return runs.sort("parameters", "series", SIZE, "seed", "run_id").with_columns(
        samples_per_parameter=pl.col("cost.train_sequences") / pl.col("parameters")
    )


def quick_leakage(results: Results) -> pl.DataFrame | None:
    """Return `leakage_runs` with the columns of `with_kinds` but no intervals, or None.

    None means that there is no such run. Only the headline score is judged and no skew-normal is
    fitted, because these take 0.6 and 0.3 seconds a run.
    """
    try:
        runs = leakage_runs(results)
    except ValueError:
        return None
    return with_kinds(runs, read(results, runs, quick=True)).drop("f1_low", "f1_high")


def with_kinds(runs: pl.DataFrame, leakage: Leakage) -> pl.DataFrame:
    """Add a column for each of `GUESSES`, null if a run has not measured it.

    Canaries are all inserted ones, however often. Windows are those with the longest prefix, minus
    the held-out rate. ``exposure_most_bits`` is the mean over the same canaries of the largest
    exposure that can be measured.
    """
    rows = [
        (run_id, leakage.oracles.get(run_id), *_of_quality(leakage.qualities[run_id].get(HEADLINE)))
        for run_id in runs["run_id"]
    ]
    scores = pl.DataFrame(rows, schema=SCORES, orient="row")
    inserted = leakage.canaries.filter(pl.col("repeats") > 0)
    canaries = inserted.group_by("run_id").agg(
        exposure_bits=pl.col("bits").mean(),
        exposure_most_bits=pl.col("most_bits").mean(),
        canaries_extracted=pl.col("is_extracted").cast(pl.Float64).mean(),
    )
    longest = leakage.windows.filter(pl.col("prefix") == pl.col("prefix").max().over("run_id"))
    windows = longest.select(
        "run_id",
        windows_excess=pl.col("train") / pl.col("train_tried")
        - pl.col("heldout") / pl.col("heldout_tried"),
    )
    for columns in (scores, canaries, windows):
        runs = runs.join(columns, on="run_id", how="left", maintain_order="left")
    return runs


def read(results: Results, runs: pl.DataFrame, *, quick: bool = False) -> Leakage:
    """Read the leakage of these runs; each array file is read once, and mostly not kept.

    Raises ValueError naming a run whose scores cannot be judged.
    """
    oracles = {} if quick else shadows.oracles_of(results.table, runs)
    rows = {row["run_id"]: row for row in results.table.iter_rows(named=True)}
    oracle_codes = {
        each: shadows.codes_of(results.folders[each].arrays(), rows[each])
        for each in dict.fromkeys(oracles.values())
        if each is not None
    }
    in_groups = set() if quick else {run_id for group in shadows.groups(runs) for run_id in group}
    qualities, privacy, codes = {}, {}, {}
    canaries: list[pl.DataFrame] = []
    windows: list[tuple[Any, ...]] = []
    for run in with_progress(list(runs.iter_rows(named=True)), "judging scores", results.progress):
        run_id = run["run_id"]
        arrays = results.folders[run_id].arrays()
        pairs = _stored_scores(arrays)
        if quick:
            pairs = {name: each for name, each in pairs.items() if name == HEADLINE}
        elif (oracle := oracles.get(run_id)) is not None:
            pairs["reference"] = shadows.beside_oracle(arrays, run, oracle_codes[oracle])
        qualities[run_id] = judged(run_id, pairs, UNUSED if quick else RESAMPLES)
        if not quick and run.get(DP_EPSILON) is not None and HEADLINE in pairs:
            privacy[run_id] = privacy_bounds(*pairs[HEADLINE], delta=run[DP_DELTA])
        canaries.append(_canaries(arrays, run_id, fitted=not quick))
        windows += _windows(arrays, run)
        if run_id in in_groups:
            codes[run_id] = shadows.codes_of(arrays, run)
    return Leakage(
        qualities=qualities,
        privacy=privacy,
        canaries=pl.concat(canaries),
        windows=pl.DataFrame(windows, schema=WINDOWS, orient="row"),
        oracles=oracles,
        codes=codes,
    )


def judged(
    run_id: str, pairs: Mapping[str, Pair], num_resamples: int = RESAMPLES
) -> dict[str, MembershipQuality]:
    """Judge each score, the headline with ``num_resamples``; raises ValueError naming the run."""
    try:
        return {
            name: membership_quality(
                *each, num_resamples=num_resamples if name == HEADLINE else FEWER_RESAMPLES
            )
            for name, each in pairs.items()
        }
    except ValueError as error:
        raise ValueError(f"run {run_id}: {error}") from error


def _of_quality(quality: MembershipQuality | None) -> tuple[float | None, ...]:
    if quality is None:
        return (None,) * len(OF_QUALITY)
    f1, others = quality.f1, (quality.largest_f1, quality.balanced_accuracy, quality.auroc.value)
    tail = quality.nonmembers_excluded
    excluded = None if isinstance(tail, TooFewControls) else tail.value
    return f1.value, f1.low, f1.high, *others, excluded


def _lifted(table: pl.DataFrame) -> pl.DataFrame:
    """Copy the settings of a base task to the names that a task without a base uses."""
    for name in LIFTED:
        own, base = f"task.{name}", f"task.base.{name}"
        if base in table.columns:
            values = pl.coalesce(own, base) if own in table.columns else pl.col(base)
            table = table.with_columns(values.alias(own))
    return table


def _stored_scores(arrays: Arrays) -> dict[str, Pair]:
    """Return the stored scores of members and non-members, the headline first."""
    start = "membership.member_"
    names = [key.removeprefix(start) for key in arrays if key.startswith(start)]
    return {
        name: (
            arrays[f"membership.member_{name}"].astype(np.float64),
            arrays[f"membership.nonmember_{name}"].astype(np.float64),
        )
        for name in sorted(names, key=lambda each: (each != HEADLINE, each))
    }


def _canaries(arrays: Arrays, run_id: str, *, fitted: bool) -> pl.DataFrame:
    if "exposure.repeats" not in arrays:
        return pl.DataFrame(schema=CANARIES)
    found = exposures(arrays)
    number = len(found.repeats_K)
    nothing: list[Any] = [None] * number
    fits_K, fitted_bits_K = (found.fits_K, found.fitted_bits_K) if fitted else (nothing, nothing)
    extracted_K = arrays.get("exposure.is_extracted")
    columns: Sequence[Any] = (
        [run_id] * number, range(number), found.repeats_K, found.bits_K, found.most_bits_K,
        arrays["exposure.secret_bits"].astype(np.float64),
        [fit is not None for fit in fits_K],
        [bits if fit and fit.holds else None
         for fit, bits in zip(fits_K, fitted_bits_K, strict=True)],
        nothing if extracted_K is None else extracted_K.astype(np.bool_),
    )  # fmt: skip
    return pl.DataFrame(dict(zip(CANARIES, columns, strict=True)), schema=CANARIES)


def _windows(arrays: Arrays, run: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield window counts, without canaries and repeated windows, which follow the first N."""
    name = re.compile(r"extraction\.train_extracted_(\d+)")
    for prefix in sorted(int(found[1]) for key in arrays if (found := name.fullmatch(key))):
        train_N = arrays[f"extraction.train_extracted_{prefix}"][: run[SIZE]]
        heldout_N = arrays[f"extraction.heldout_extracted_{prefix}"]
        yield (
            run["run_id"], prefix, int(train_N.sum()), len(train_N), int(heldout_N.sum()),
            len(heldout_N),
        )  # fmt: skip
