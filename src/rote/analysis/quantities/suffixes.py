"""Compute how probable training suffixes are, by how often their sequences occur.

Measure `discoverable` stores ln p_z of each sequence, the log probability that one sample after the
prefix is the true suffix (Hayes et al. 2024, arXiv 2410.19482). Its mean over sequences and tokens
is the logarithm of a token's probability q, a geometric mean: about half of the sequences have a
higher one. Only the sampler ``plain`` is read, since a sampler that cuts tokens off gives some
suffixes a probability of 0.
Shapes: N sequences, without repeated ones and canaries, which follow the first N.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rote.analysis.results import Results

TRIED = "discoverable.train_tried"
LOG_P = re.compile(r"discoverable\.train_log_p_plain_(\d+)")
TOKEN_P = "suffix_token_p"


def with_suffixes(results: Results, runs: pl.DataFrame) -> pl.DataFrame:
    """Add ``suffix_tokens`` and ``suffix_token_p.<repeats>`` to runs that tried.

    The prefix is the longest that was measured. Runs on tasks of unknown repeats have nulls.
    """
    if TRIED not in runs.columns:
        return runs
    rows = [
        {} if run[TRIED] is None else _of_run(run, results.folders[run["run_id"]].arrays())
        for run in runs.iter_rows(named=True)
    ]
    names = sorted({name for row in rows for name in row})
    return runs.with_columns(
        pl.Series(name, [row.get(name) for row in rows], dtype=pl.Float64) for name in names
    )


def by_repeats(runs: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each run and number of repeats; runs that measured no suffix have none.

    Their columns are those of ``runs``, and ``run``, a number, ``repeats`` and ``suffix_token_p``.
    """
    measured = [name for name in runs.columns if name.startswith(f"{TOKEN_P}.")]
    if not measured:
        return runs
    others = [name for name in runs.columns if name not in measured]
    rows = runs.with_row_index("run", offset=1).unpivot(
        measured, index=["run", *others], variable_name="repeats", value_name=TOKEN_P
    )
    times = pl.col("repeats").str.strip_prefix(f"{TOKEN_P}.").cast(pl.Float64)
    return rows.with_columns(repeats=times).drop_nulls(TOKEN_P)


def _of_run(run: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    prefixes = [int(found[1]) for name in arrays if (found := LOG_P.fullmatch(name))]
    task = "task.base." if run.get("task.base.num_sequences") is not None else "task."
    number = run.get(f"{task}num_sequences")
    if not prefixes or number is None:
        return {}
    suffix_tokens = run[f"{task}length"] - max(prefixes)
    log_q_N = arrays[f"discoverable.train_log_p_plain_{max(prefixes)}"][:number] / suffix_tokens
    num_repeated = round((run.get(f"{task}duplicated_fraction") or 0.0) * number)
    parts = {1: log_q_N[num_repeated:]}
    if num_repeated:
        parts[run[f"{task}repeats"]] = log_q_N[:num_repeated]
    means = {
        f"{TOKEN_P}.{times}": float(np.exp(np.mean(part)))
        for times, part in parts.items()
        if len(part)
    }
    return {"suffix_tokens": suffix_tokens, **means}
