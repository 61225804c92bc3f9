"""All that the report on text says, derived before anything is drawn."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.descents import Descent, descents
from rote.analysis.estimate import Estimate, Rate
from rote.analysis.estimators import pooled, rate
from rote.analysis.pairing import Pairing, text_runs, with_unintended
from rote.analysis.quantities.extraction import Extraction
from rote.analysis.quantities.losses import loss_quantities
from rote.analysis.quantities.series import with_series
from rote.analysis.quantities.unintended import CodeLengths, mean_max_code, pair
from rote.analysis.reports.text.remembered import Remembered, remembered
from rote.analysis.results import Results

EXTRACTED = re.compile(r"extraction\.train_extracted_(\d+)")
FEWEST_OUTSIDE = 20  # samples that a reference has not trained on, for a mean over them
REFERENCE_NAMES = {"same_size": "same size, all data", "oracle": "oracle"}


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """Extraction at one data size, seeds pooled."""

    series: str
    num_sequences: int
    extraction: Extraction


@dataclass(frozen=True, kw_only=True)
class Quality:
    """mem_U of one run under one possible reference, over samples that it never trained on."""

    series: str  # of the target
    reference_id: str
    reference_series: str
    reference_pool: str
    reference_heldout_bits_per_token: float
    mean_bits: Estimate  # a sample, max code; over samples


@dataclass(frozen=True, kw_only=True)
class Study:
    """``runs`` is the table with all derived columns; ``targets`` are those on the train pool."""

    runs: pl.DataFrame
    targets: pl.DataFrame
    descents: tuple[Descent, ...]
    extracted: tuple[Extracted, ...]
    remembered: tuple[Remembered, ...]  # of each series the run with most mem_U, then most data
    qualities: tuple[Quality, ...]

    @property
    def references(self) -> list[str]:
        """Those of the two kinds that any run has."""
        return [kind for kind in REFERENCE_NAMES if self.targets[f"{kind}.run_id"].count()]

    @property
    def series(self) -> list[str]:
        """In the order of size."""
        return self.targets["series"].unique(maintain_order=True).to_list()


def study(results: Results) -> Study:
    """Raises ValueError where there is no run on text, none on its train pool, or no reference."""
    text = text_runs(results.table)
    if text.is_empty():
        raise ValueError("no finished run of task text to report on")
    if text["task.corpus"].n_unique() > 1:
        raise ValueError(f"one report is on one corpus, got {text['task.corpus'].n_unique()}")
    paired = _with_all_totals(with_unintended(results, text))
    runs = with_series(loss_quantities(paired, results.alphas))
    targets = runs.filter(pl.col("task.pool") == "train")
    pairing = Pairing(results, runs)
    fullest = _focus(targets, pl.coalesce("oracle.max_code_bits", "same_size.max_code_bits"))
    largest = _focus(targets, pl.col("task.num_sequences"))
    both = {run["run_id"]: run for run in (*fullest, *largest)}
    return Study(
        runs=runs,
        targets=targets,
        descents=descents(results, targets),
        extracted=tuple(_extracted(targets)),
        remembered=remembered(results, pairing, list(both.values())),
        qualities=tuple(_qualities(pairing, fullest)),
    )


def _with_all_totals(runs: pl.DataFrame) -> pl.DataFrame:
    """A reference that no run has gets columns of nulls; raises ValueError where both are so."""
    missing = [kind for kind in REFERENCE_NAMES if f"{kind}.samples" not in runs.columns]
    if len(missing) == len(REFERENCE_NAMES):
        raise ValueError(
            "no run can serve as a reference: add runs on task.pool=reference with measure "
            "superset, or a larger task.num_sequences of the same model"
        )
    if not missing:
        return runs
    there = next(kind for kind in REFERENCE_NAMES if kind not in missing)
    names = [name.partition(".")[2] for name in runs.columns if name.startswith(f"{there}.")]
    nulls = [
        pl.lit(None, runs.schema[f"{there}.{name}"]).alias(f"{kind}.{name}")
        for kind in missing
        for name in names
        if f"{kind}.{name}" not in runs.columns
    ]
    return runs.with_columns(nulls)


def _focus(targets: pl.DataFrame, by: pl.Expr) -> list[dict[str, Any]]:
    """Of each series the run with the most of something, in the order of size."""
    with_reference = pl.coalesce("oracle.run_id", "same_size.run_id").is_not_null()
    ordered = targets.filter(with_reference).sort(-by, "run_id")
    first = ordered.unique("series", keep="first", maintain_order=True)
    return first.sort("parameters", "series").to_dicts()


def _extracted(targets: pl.DataFrame) -> list[Extracted]:
    prefixes = sorted(int(found[1]) for name in targets.columns if (found := EXTRACTED.match(name)))
    if not prefixes:
        return []
    tried = targets.filter(pl.col("extraction.train_tried").is_not_null())
    points = tried.partition_by("series", "task.num_sequences", maintain_order=True)
    return [
        Extracted(
            series=point["series"][0],
            num_sequences=point["task.num_sequences"][0],
            extraction=Extraction(
                prefix_tokens=prefix,
                train=_rate(point, "train", prefix),
                heldout=_rate(point, "heldout", prefix),
            ),
        )
        for point in points
        for prefix in prefixes
    ]


def _rate(runs: pl.DataFrame, split: str, prefix: int) -> Rate:
    """Held-out windows are the same for every seed."""
    counts = runs.select(f"extraction.{split}_extracted_{prefix}", f"extraction.{split}_tried")
    return pooled(
        (rate(int(found), int(tried)) for found, tried in counts.iter_rows()),
        same_things=split == "heldout",
    )


def _qualities(pairing: Pairing, focus: Sequence[dict[str, Any]]) -> list[Quality]:
    """Of every run in focus under every other run that scored samples it never trained on."""
    targets = [(run, pairing.trained(run["run_id"])) for run in focus]
    found = [
        _quality(target, trained, reference, pairing.scored(reference["run_id"]))
        for reference in pairing.runs.iter_rows(named=True)
        for target, trained in targets
        if reference["run_id"] != target["run_id"]
    ]
    known = [each for each in found if each is not None]
    return sorted(known, key=lambda each: each.reference_heldout_bits_per_token)


def _quality(
    target: dict[str, Any], trained: CodeLengths, reference: dict[str, Any], scored: CodeLengths
) -> Quality | None:
    unseen = scored.sample_ids[scored.occurrences == 0]
    if np.isin(trained.sample_ids, unseen).sum() < FEWEST_OUTSIDE:
        return None
    paired = pair(trained, scored)
    outside = ~paired.in_reference
    return Quality(
        series=target["series"],
        reference_id=reference["run_id"],
        reference_series=reference["series"],
        reference_pool=reference["task.pool"],
        reference_heldout_bits_per_token=reference["heldout_bits_per_token"],
        mean_bits=mean_max_code(paired.max_code_bits[outside], paired.reference_bits[outside]),
    )
