"""Derive the quantities of the report on text, before anything is drawn."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rote.analysis.estimate import Rate
from rote.analysis.estimators import pooled, rate
from rote.analysis.quantities.convergence import loss_quantities
from rote.analysis.quantities.generations import (
    Extraction,
    drawings_in,
    generated,
    rates_in_samples,
)
from rote.analysis.quantities.references import Pairing, text_runs, with_unintended
from rote.analysis.quantities.settings import with_series
from rote.analysis.quantities.unintended import mean_max_code, pair
from rote.analysis.reports.double_descent import Descent, descents
from rote.analysis.reports.text.remembered import Remembered, name_of, remembered
from rote.analysis.results import Results
from rote.analysis.table import Row
from rote.core.arrays import Arrays

EXTRACTED = re.compile(r"extraction\.train_extracted_(\d+)")
EXPECTED = re.compile(r"discoverable\.\w+_expected_\w+")
LOG_P = re.compile(r"discoverable\.(train|heldout)_log_p_(\w+)_(\d+)")
DRAWN = re.compile(r"generation\.\w+_samples")
SIZE = "task.num_sequences"
OF_RUN = ("run_id", "series", SIZE, "seed", "parameters", "training.converged", "capacity_bits")
FEWEST_OUTSIDE = 20  # samples unseen by a reference, for a mean over them
SPLITS = {"train": "train", "heldout": "held-out"}
REFERENCE_NAMES = {"same_size": "same size, all data", "oracle": "oracle"}


@dataclass(frozen=True, kw_only=True)
class Study:
    """All results; ``runs`` has all derived columns, ``targets`` are the runs on the train pool."""

    runs: pl.DataFrame
    targets: pl.DataFrame
    pairs: pl.DataFrame  # a row per target and reference
    descents: tuple[Descent, ...]
    extracted: list[Row]  # by series, data size and prefix: rates of each run, and seeds pooled
    discoverable: list[Row]  # a row per run, sampler, prefix and split
    drawn: list[Row]  # a row per run and drawing of samples
    remembered: tuple[Remembered, ...]  # per series the run with most mem_U, then most data
    duplicates: Rate  # windows of the text that equal an earlier one, and were removed
    qualities: list[Row]  # a row per run and possible reference, the best reference first

    @property
    def references(self) -> list[str]:
        """The kinds of reference, of the two, that any run has."""
        return self.pairs["kind"].unique(maintain_order=True).to_list()

    @property
    def series(self) -> list[str]:
        """All series, in the order of size."""
        return self.targets["series"].unique(maintain_order=True).to_list()

    def fullest(self, kind: str) -> list[Row]:
        """Return the run of each series with the largest sum of mem_U under this reference."""
        return _focus(self.pairs.filter(pl.col("kind") == kind), pl.col("max_code_bits"))


def study(results: Results) -> Study:
    """Derive everything; raises ValueError without a run on text, on its train pool, or a
    reference.
    """
    text = text_runs(results.table)
    if text.is_empty():
        raise ValueError("no finished run of task text to report on")
    if (num_corpora := text["task.corpus"].n_unique()) > 1:
        raise ValueError(f"one report is on one corpus, got {num_corpora}")
    paired = with_unintended(results, text)
    runs = with_series(loss_quantities(paired, results.alphas))
    targets = runs.filter(pl.col("task.pool") == "train")
    most_bits = pl.coalesce("oracle.max_code_bits", "same_size.max_code_bits")
    if targets.select(pl.coalesce("oracle.run_id", "same_size.run_id").count()).item() == 0:
        raise ValueError(
            "no run can serve as a reference: add runs on task.pool=reference with measure "
            "superset, or a larger task.num_sequences of the same model"
        )
    pairing = Pairing(results, runs)
    fullest = _focus(targets, most_bits)
    largest = _focus(targets.filter(most_bits.is_not_null()), pl.col(SIZE))
    both = {run["run_id"]: run for run in (*fullest, *largest)}.values()
    corpus = results.open_corpus(text["task.corpus"][0])
    return Study(
        runs=runs,
        targets=targets,
        pairs=_pairs(targets),
        descents=descents(results, targets),
        extracted=list(_extracted(targets)),
        discoverable=list(_discoverable(results, runs)),
        drawn=list(_drawn(results, runs)),
        remembered=tuple(remembered(results, pairing, corpus, both)),
        duplicates=rate(corpus.num_duplicates, corpus.num_duplicates + corpus.num_windows),
        qualities=sorted(_qualities(pairing, fullest), key=lambda each: each["loss"]),
    )


def _focus(targets: pl.DataFrame, by: pl.Expr) -> list[Row]:
    """Return the run of each series with the largest value, in the order of size."""
    ordered = targets.filter(by.is_not_null()).sort(-by, "run_id")
    first = ordered.unique("series", keep="first", maintain_order=True)
    return first.sort("parameters", "series").to_dicts()


def _pairs(targets: pl.DataFrame) -> pl.DataFrame:
    """Return sums of mem_U under each reference, their share of capacity, and means per sample.

    ``heldout_mean_bits`` is over samples that neither model was trained on. A sum ``is_above`` them
    if the lower end of its interval is.
    """
    parts = []
    for kind, name in REFERENCE_NAMES.items():
        totals = pl.col(f"^{kind}\\..*$").exclude(f"{kind}.run_id")
        parts.append(
            targets.drop_nulls(f"{kind}.run_id").select(
                pl.lit(kind).alias("kind"),
                pl.lit(name).alias("reference"),
                *OF_RUN,
                pl.col(f"{kind}.run_id").alias("reference_id"),
                totals.name.map(lambda column: column.partition(".")[2]),
            )
        )
    return (
        pl.concat(parts, how="vertical_relaxed")
        .with_columns(
            of_capacity=pl.col("max_code_bits") / pl.col("capacity_bits"),
            mean_bits=pl.col("max_code_bits") / pl.col("samples"),
            heldout_mean_bits=pl.col("heldout_max_code_bits") / pl.col("heldout_samples"),
        )
        .with_columns(
            is_above=pl.col("max_code_low_bits") > pl.col("heldout_mean_bits") * pl.col("samples")
        )
    )


def _extracted(targets: pl.DataFrame) -> Iterable[Row]:
    """Yield rates by series, data size and prefix, smallest first; runs may lack a prefix."""
    prefixes = sorted(int(found[1]) for name in targets.columns if (found := EXTRACTED.match(name)))
    for point in targets.partition_by("series", SIZE, maintain_order=True):
        for prefix in prefixes:
            runs = point.drop_nulls(f"extraction.train_extracted_{prefix}")
            if runs.is_empty():
                continue
            train, heldout = (_rates(runs, split, prefix) for split in ("train", "heldout"))
            both = Extraction(train=pooled(train), heldout=pooled(heldout, same_things=True))
            yield {
                **runs.select("series", SIZE).row(0, named=True), "prefix": prefix,
                "train": both.train, "heldout": both.heldout, "excess": both.excess,
                "explained": both.explained_by_heldout, "run_ids": runs["run_id"].to_list(),
                "runs": {"train": train, "heldout": heldout},
            }  # fmt: skip


def _rates(runs: pl.DataFrame, split: str, prefix: int) -> list[Rate]:
    counts = runs.select(f"extraction.{split}_extracted_{prefix}", f"extraction.{split}_tried")
    return [rate(int(found), int(tried)) for found, tried in counts.iter_rows()]


def _measured(
    results: Results, runs: pl.DataFrame, names: re.Pattern[str]
) -> Iterable[tuple[Row, Arrays]]:
    """Yield runs with a total of one of these names, and their arrays."""
    totals = [name for name in runs.columns if names.fullmatch(name)]
    for run in runs.iter_rows(named=True):
        if any(run[name] is not None for name in totals):
            yield run, results.folders[run["run_id"]].arrays()


def _drawn(results: Results, runs: pl.DataFrame) -> Iterable[Row]:
    for run, arrays in _measured(results, runs, DRAWN):
        for drawing in drawings_in(arrays):
            found = generated(arrays, drawing)
            yield {
                "name": f"{name_of(run)}, {drawing.replace('_', ' ')}", "run_id": run["run_id"],
                "samples": int(run[f"generation.{drawing}_samples"]), "found": found,
                "distinct": len(found.rows_N), "memorised": found.memorised,
                "control": found.memorised_in_heldout, "once": found.num_eidetic(1),
            }  # fmt: skip


def _discoverable(results: Results, runs: pl.DataFrame) -> Iterable[Row]:
    """Yield rates of windows whose rest is in n samples with probability `PROBABILITY`."""
    for run, arrays in _measured(results, runs, EXPECTED):
        for name in filter(LOG_P.fullmatch, arrays):
            split, sampler, prefix = LOG_P.fullmatch(name).groups()  # type: ignore[union-attr]
            ranks = arrays.get(f"discoverable.{split}_beam_rank_{prefix}")
            yield {
                "name": name_of(run), "run_id": run["run_id"], "windows": SPLITS[split],
                "sampler": sampler.replace("_", " "), "prefix": int(prefix),
                "beam": None if ranks is None else rate(int((ranks >= 0).sum()), len(ranks)),
                **rates_in_samples(arrays[name]),
            }  # fmt: skip


def _qualities(pairing: Pairing, focus: Sequence[Row]) -> Iterable[Row]:
    """Yield mem_U of each run in focus under every other run, over samples that it did not train
    on.
    """
    targets = [(run, pairing.trained(run["run_id"])) for run in focus]
    for reference in pairing.runs.iter_rows(named=True):
        scored = pairing.scored(reference["run_id"])
        unseen = scored.sample_ids[scored.occurrences == 0]
        for target, trained in targets:
            if trained.origin != scored.origin:  # ids of another split name other texts
                continue
            if np.isin(trained.sample_ids, unseen).sum() < FEWEST_OUTSIDE:
                continue
            paired = pair(trained, scored)
            outside = ~paired.in_reference
            bits = paired.max_code_bits[outside], paired.reference_bits[outside]
            yield {
                "series": target["series"], "reference": reference["series"],
                "pool": reference["task.pool"], "loss": reference["heldout_bits_per_token"],
                "mean_bits": mean_max_code(*bits),
            }  # fmt: skip
