"""A table of runs whose losses follow a known law."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.laws.parametric import Parametric
from rote.analysis.results import Results
from rote.core.units import bits_from_nats
from rote.ledger.store import RunFolder

LAW = Parametric(E=1.2, A=40.0, B=150.0, alpha=0.4, beta=0.35)
SIZES = {8: 3_000, 16: 9_000, 32: 30_000, 64: 100_000}  # width: parameters
TOKENS = (200_000, 1_000_000, 5_000_000, 20_000_000)
LENGTH, BATCH = 64, 32
HELDOUT_TOKENS = 64_000


def table() -> pl.DataFrame:
    """Every size on every number of tokens: once, and over a tenth of them again, stopped early."""
    rows = [
        _row(width, tokens, stopped)
        for width, tokens, stopped in itertools.product(SIZES, TOKENS, (False, True))
    ]
    return pl.DataFrame(rows)


def results(runs: pl.DataFrame, folder: Path, **others: Any) -> Results:
    """Nothing but the table, and ``others`` of the fields."""
    ids = runs["run_id"].to_list()
    fields = {
        "curves": {run_id: [] for run_id in ids}, "records_sha256": dict.fromkeys(ids, "0" * 64),
        "folders": {run_id: RunFolder(folder / run_id) for run_id in ids},
        "alphas": {}, "open_corpus": lambda corpus: None,
    }  # fmt: skip
    return Results(table=runs, **fields | others)


def _row(width: int, tokens: int, stopped: bool) -> dict[str, object]:
    parameters, steps = SIZES[width], tokens // (LENGTH * BATCH)
    unique = tokens // 10 if stopped else tokens
    loss_nats = float(LAW.predict(parameters, steps * LENGTH * BATCH)) + 0.1 * stopped
    return {
        "run_id": f"{width:04}{tokens:011}{int(stopped)}",
        "seed": 0,
        "precision.name": "fp32",
        "size.num_layers": 1,
        "size.width": width,
        "task.length": LENGTH,
        "parameters": parameters,
        "embedding_parameters": width * 80,
        "entropy_bits": None,
        "training.steps": 2 * steps if stopped else steps,
        "training.best_step": steps if stopped else None,
        "training.tokens_seen": (2 if stopped else 1) * steps * LENGTH * BATCH,
        "cost.heldout_code_bits": bits_from_nats(loss_nats) * HELDOUT_TOKENS,
        "cost.heldout_tokens": HELDOUT_TOKENS,
        "cost.train_code_bits": bits_from_nats(loss_nats) * unique,
        "cost.train_tokens": unique,
        "cost.train_sequences": unique // LENGTH,
    }


def noisy(runs: pl.DataFrame, relative: float) -> pl.DataFrame:
    """Losses multiplied by a seeded noise."""
    factors = 1 + relative * np.random.default_rng(0).standard_normal(runs.height)
    return runs.with_columns(pl.col("cost.heldout_code_bits") * pl.Series(factors))
