"""Show near-verbatim extraction beside exact extraction, in any report whose runs measured it."""

import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from rote.analysis.estimate import plural
from rote.analysis.estimators import rate
from rote.analysis.metrics import METRICS, derive
from rote.analysis.page import Section, Text
from rote.analysis.quantities.generations import NUM_SAMPLES, PROBABILITY, rates_in_samples
from rote.analysis.results import Results
from rote.analysis.table import INTERVAL, Column, Row, Table

TRIED = "near_verbatim.train_tried"
LOG_P = re.compile(r"near_verbatim\.(train|heldout)_log_p_(?:(exact)|(hamming|edit)_(\d+))_(\d+)")
SPLITS = {"train": "train", "heldout": "held-out"}
NOTE = (
    "Near is a continuation of as many tokens as the true rest that differs from it in at most so "
    "many tokens: substituted ones (Hamming), or substituted, inserted and deleted ones (edit). "
    f"In n samples: windows of which n samples hold a near one with a probability of "
    f"{PROBABILITY:g} or more; the probability of one sample is a lower bound, found by a beam "
    "search (after Cooper et al. 2026, arXiv 2603.24917), and for exact rows it is exact (Hayes et "
    "al. 2024, arXiv 2410.19482). Longest match: the longest common run of tokens of the greedy "
    "continuation and the rest, over the rest; nv-recall approximates it in books (Ahmed et al. "
    "2026, arXiv 2601.02671). Canaries and repeated windows are left out. Intervals are Clopper "
    "and Pearson's."
)


def near_rows(results: Results, runs: pl.DataFrame) -> list[Row]:
    """Return a row per run that measured it, split, prefix and distance, from the runs' arrays."""
    if TRIED not in runs.columns:
        return []
    measured = derive(runs.drop_nulls(TRIED), ["name"])
    return [row for run in measured.to_dicts() for row in _rows(results, run)]


def headlines(rows: list[Row]) -> Iterator[str]:
    """Yield a line per run: its longest prefix, exact and in the largest edit distance."""
    for run_id in dict.fromkeys(row["run_id"] for row in rows):
        of_run = [row for row in rows if row["run_id"] == run_id]
        prefix, distance = (max(row[name] for row in of_run) for name in ("prefix", "distance"))
        greedy = {
            (row["windows"], row["near"]): f"{row['greedy'].value:.1%}"
            for row in of_run
            if row["prefix"] == prefix
        }
        shares = " and ".join(
            f"{greedy[words, f'Edit {distance}']} of {words} ({greedy[words, 'exact']} exactly)"
            for words in SPLITS.values()
        )
        yield (
            f"{of_run[0]['name']}: from {prefix} tokens greedy decoding comes within "
            f"{plural(distance, 'edit')} of {shares}"
        )


def sections(rows: list[Row]) -> Iterator[Section]:
    """Yield the section, or none if no run measured it."""
    columns = [
        Column.of(METRICS["name"], lambda row: (row["name"], row["run_id"])),
        Column("windows", "windows"),
        Column("prefix", "prefix", unit="tokens"),
        Column("rest", "near", unit="tokens that differ, at most"),
        Column("greedy", "greedy", unit=INTERVAL, form="{:.1%}"),
        *sample_columns(f"at least, {INTERVAL}"),
        Column("longest match", "longest_match", unit="of the rest", form="{:.1%}", missing=""),
    ]
    if rows:
        table = Table(columns=columns, rows=rows, is_tall=True)
        yield Section("Near-verbatim extraction", [table, Text(NOTE)])


def sample_columns(unit: str) -> list[Column]:
    """Return columns of `rates_in_samples`, one for each number of samples."""
    return [
        Column(f"in {plural(number, 'sample')}", f"in {number}", unit=unit, form="{:.1%}")
        for number in NUM_SAMPLES
    ]


def numbers(rows: list[Row]) -> dict[str, Any]:
    """Return the rates for the manifest."""
    names = ("greedy", *(f"in {number}" for number in NUM_SAMPLES))
    return {
        f"near-verbatim {row['run_id']}, {row['windows']}, prefix {row['prefix']}, {row['near']}": {
            **{name: row[name].value for name in names}, "runs": [row["run_id"]],
        }
        for row in rows
    }  # fmt: skip


def _rows(results: Results, run: Row) -> Iterator[Row]:
    arrays = results.folders[run["run_id"]].arrays()
    for name in filter(LOG_P.fullmatch, arrays):
        split, exact, kind, distance, prefix = LOG_P.fullmatch(name).groups()  # type: ignore[union-attr]
        # Canaries and repeated windows follow the first N.
        number = run["task.num_sequences"] if split == "train" else None
        greedy_N, longest_N = (
            arrays[f"near_verbatim.{split}_{each}_tokens_{prefix}"][:number]
            for each in (f"greedy_{kind or 'hamming'}", "longest_match")
        )
        rest_tokens = run["task.length"] - int(prefix)
        yield {
            "name": run["name"], "run_id": run["run_id"], "windows": SPLITS[split],
            "prefix": int(prefix), "distance": int(distance or 0),
            "near": exact or f"{kind.capitalize()} {distance}",
            "greedy": rate(int((greedy_N <= int(distance or 0)).sum()), len(greedy_N)),
            "longest_match": float(longest_N.mean() / rest_tokens) if exact else None,
            **rates_in_samples(arrays[name][:number]),
        }  # fmt: skip
