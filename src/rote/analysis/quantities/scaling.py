"""Collect size, data, compute and loss of every run of a sweep, to fit scaling laws to.

How probable training suffixes are comes from measure `discoverable`, which stores ln p_z of each
sequence, the log probability that one sample after the prefix is the true suffix (Hayes et al.
2024, arXiv 2410.19482). Its mean over sequences and tokens is the logarithm of a token's
probability q, a geometric mean: about half of the sequences have a higher one. Only the sampler
``plain`` is read, since a sampler that cuts tokens off gives some suffixes a probability of 0.
Shapes: N sequences, without repeated ones and canaries, which follow the first N.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rote.analysis.derived import FLOPS_PER_PARAMETER_AND_TOKEN, column_or_null
from rote.analysis.laws.law import Law, LawData, RunCount, RunSelection
from rote.analysis.metrics import derive
from rote.analysis.quantities.convergence import loss_quantities, num_converged
from rote.analysis.quantities.leakage import quick_leakage
from rote.analysis.quantities.settings import with_setting
from rote.analysis.results import Results
from rote.core.units import nats_from_bits

MOST_EPOCHS = 1.5  # upper limit of fresh runs; four cost little (Muennighoff et al. 2023)
BEST_STEP = "training.best_step"
FORMAT = "precision.name"
CONVERGED = "training.converged"
HEADS = "size.num_heads"
SAME = ("parameters", FORMAT, "seed", "samples")  # runs equal in these may differ in their setting


def scaling_runs(results: Results, count: RunCount) -> pl.DataFrame:
    """Return the table with the columns of `rote.analysis.laws.law.COLUMNS` that its runs measured.

    Tokens and steps of a run that was stopped early are those of the kept weights. Raises
    ValueError if no run measured its cost, or embeddings were not recorded.
    """
    table = results.table
    if "cost.heldout_code_bits" not in table.columns:
        raise ValueError("no run measured its loss: add cost to measure")
    runs = quick_leakage(results)
    if runs is None:
        runs = loss_quantities(table, results.alphas)
    runs = with_suffixes(results, runs)
    stopped = column_or_null(runs, BEST_STEP)
    batch_tokens = pl.col("training.tokens_seen") / pl.col("training.steps")
    return (
        derive(runs, ("memorised_bits", "ceiling_bits"))
        .with_columns(
            model_parameters=pl.col("parameters"),
            parameters=_counted(runs, count),
            is_stopped=stopped.is_not_null(),
            steps=pl.coalesce(stopped, "training.steps").cast(pl.Float64),
            batch_tokens=batch_tokens,
            unique_tokens=pl.col("cost.train_tokens").cast(pl.Float64),
            samples=pl.col("cost.train_sequences").cast(pl.Float64),
            loss_nats=nats_from_bits(pl.col("heldout_bits_per_token")),
        )
        .with_columns(tokens=pl.col("steps") * pl.col("batch_tokens"))
        .with_columns(
            flops=FLOPS_PER_PARAMETER_AND_TOKEN * pl.col("parameters") * pl.col("tokens"),
            epochs=pl.col("tokens") / pl.col("unique_tokens"),
            data_bits=pl.coalesce("ceiling_bits", "entropy_bits").cast(pl.Float64),
        )
    )


def formats(runs: pl.DataFrame) -> tuple[str, ...]:
    """Return the number formats (precisions) of the runs; no single law covers several of them."""
    return tuple(sorted(runs[FORMAT].unique().to_list()))


def doubts(runs: pl.DataFrame, law: Law) -> list[str]:
    """Return warnings for laws of fully trained models: unconverged runs and mixed settings.

    ``runs`` are of one number format.
    """
    known = _rows(runs, law).drop_nulls([*law.inputs, law.output]).unique("run_id")
    if law.runs is not RunSelection.ALL or known.is_empty():
        return []
    warnings = []
    is_of_end = "epochs" not in law.inputs
    if is_of_end and CONVERGED in known.columns and (missed := known.height - num_converged(known)):
        warnings.append(
            f"{missed} of {known.height} runs are not known to have converged: they may hold, "
            "and leak, less than they would"
        )
    settings = sorted(with_setting(known, at=SAME)["setting"].unique().to_list())
    if len(settings) > 1:
        named = "; ".join(setting or "none of these" for setting in settings)
        warnings.append(
            f"runs of {len(settings)} settings are fitted together, {named}: the report of the "
            "sweep keeps them apart"
        )
    of_size = known.group_by("parameters")
    if HEADS in known.columns and of_size.agg(pl.n_unique(HEADS))[HEADS].max() != 1:
        warnings.append("runs of one size have several numbers of heads: the report takes the best")
    return warnings


def measured(runs: pl.DataFrame, law: Law, count: RunCount) -> LawData:
    """Return the data that ``law`` is fitted to; raises ValueError without a column or any run."""
    runs = _rows(runs, law)
    names = [*law.columns]
    if missing := [name for name in names if name not in runs.columns or not runs[name].count()]:
        raise ValueError(f"no run has {' and '.join(missing)}")
    names += [name for name in law.optional if name in runs.columns and runs[name].count()]
    chosen = CHOICES[law.runs](runs.drop_nulls(names))
    if chosen.is_empty():
        raise ValueError(f"there are no {law.runs.value}")
    columns = {name: chosen[name].cast(pl.Float64).to_numpy() for name in names}
    return LawData(columns=columns, count=count)


def _rows(runs: pl.DataFrame, law: Law) -> pl.DataFrame:
    """Return the rows of a law: runs, or for suffixes a row per number of repeats in a run."""
    return by_repeats(runs) if law.output == TOKEN_P else runs


def _counted(runs: pl.DataFrame, count: RunCount) -> pl.Expr:
    if count is RunCount.TOTAL:
        return pl.col("parameters").cast(pl.Float64)
    if runs["embedding_parameters"].null_count():
        raise ValueError(
            "embeddings were not recorded for some of these runs: --count total, or train again"
        )
    return (pl.col("parameters") - pl.col("embedding_parameters")).cast(pl.Float64)


FRESH = (pl.col("epochs") <= MOST_EPOCHS) & ~pl.col("is_stopped")
STOPPED = pl.col("is_stopped")


def _best_of(name: str, runs: pl.DataFrame) -> pl.DataFrame:
    return runs.sort("loss_nats").unique(name, keep="first", maintain_order=True)


CHOICES: dict[RunSelection, Callable[[pl.DataFrame], pl.DataFrame]] = {
    RunSelection.ALL: lambda runs: runs,
    RunSelection.FRESH: lambda runs: runs.filter(FRESH),
    RunSelection.STOPPED: lambda runs: runs.filter(STOPPED),
    RunSelection.UNSPOILT: lambda runs: pl.concat([runs.filter(FRESH), runs.filter(STOPPED)]),
    RunSelection.BEST_OF_SIZE: lambda runs: _best_of("parameters", runs.filter(FRESH)),
    RunSelection.BEST_OF_DATA: lambda runs: _best_of("unique_tokens", runs.filter(STOPPED)),
}


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
