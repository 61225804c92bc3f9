"""Runs on text that never ran: capacity, a peak and a rank correlation are planted in them."""

import dataclasses
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.results import Results
from tests.analysis.planted_leakage import LENGTH, SPLIT, results_of, save, shared

NUM_WINDOWS, NUM_HELDOUT = 600, 64
SIZES = (10, 20, 40, 80, 160, 320)
WIDTHS = {8: 1000, 16: 2000}  # width -> parameters
BITS_PER_WINDOW = 40.0
ALPHA = 2.0
PEAK = 1.2  # data bits over capacity
ODD = "\x00<b>&"  # what a page has to escape


class PlantedCorpus:
    """Window i says "the" and a word of its own: those of the second half come once."""

    vocab_size = 16
    num_windows = 900
    num_duplicates = 100

    def tokens(self, ids: np.ndarray) -> np.ndarray:
        return (np.asarray(ids)[:, None] + np.arange(LENGTH)) % self.vocab_size

    def text(self, ids: np.ndarray) -> list[str]:
        return [f"the w{i if i % 2 else i % 6}{ODD}" for i in ids]


def planted_results(
    folder: Path, *, seeds: tuple[int, ...] = (0, 1), share: float = 0.9
) -> Results:
    """Two sizes on the train pool, an oracle and a worse one on the reference pool.

    ``share`` is what is memorised of what fits.
    """
    rows = [
        _run(folder, width, parameters, size, seed, pool="train", most=share)
        for (width, parameters), size, seed in product(WIDTHS.items(), SIZES, seeds)
    ]
    for surplus, width in ((0.0, 32), (0.25, 24)):
        rows.append(_run(folder, width, 9000, 500, 0, pool="reference", surplus=surplus))
    return results_of(folder, rows, alpha=ALPHA, open_corpus=lambda corpus: PlantedCorpus())


def with_random_tokens(results: Results) -> Results:
    """The runs on the train pool once more, as if on random tokens of known entropy."""
    text = results.table
    uniform = text.filter(pl.col("task.pool") == "train").with_columns(
        pl.lit("rote.tasks.uniform.Uniform").alias("task._target_"),
        pl.lit(None, pl.String).alias("task.corpus"),
        pl.lit(None, pl.String).alias("task.pool"),
        entropy_bits=BITS_PER_WINDOW * pl.col("task.num_sequences"),
        run_id="uniform-" + pl.col("run_id"),
    )
    known = text.with_columns(pl.col("entropy_bits").cast(pl.Float64))
    names = {f"uniform-{name}": name for name in text["run_id"]}
    held = {name: name for name in text["run_id"]} | names
    return dataclasses.replace(
        results,
        table=pl.concat([uniform, known]),
        curves={new: results.curves[old] for new, old in held.items()},
        records_sha256={new: results.records_sha256[old] for new, old in held.items()},
        folders={new: results.folders[old] for new, old in held.items()},
    )


def _run(
    folder: Path, width: int, parameters: int, size: int, seed: int,
    *, pool: str, surplus: float = 0.0, most: float = 0.0,
) -> dict[str, Any]:  # fmt: skip
    run_id = f"{pool}-{width}-{size}-{seed}"
    order = np.random.default_rng(seed).permutation(NUM_WINDOWS // 2)
    truth = np.random.default_rng(99).normal(BITS_PER_WINDOW, 4, NUM_WINDOWS) * (1 + surplus)
    first_reference = NUM_WINDOWS // 2
    trained = order[:size] if pool == "train" else first_reference + np.arange(size) % 200
    ratio = size * BITS_PER_WINDOW / (ALPHA * parameters)
    share = min(1.0, 1 / ratio) * most
    rare = trained % 2
    train_bits = truth[trained] * (1 - share * (0.5 + 0.5 * rare))
    bump = 2.0 * np.exp(-(np.log(ratio / PEAK) ** 2)) if pool == "train" else 0.0
    heldout_ids = NUM_WINDOWS - NUM_HELDOUT + np.arange(NUM_HELDOUT)
    heldout_bits = truth[heldout_ids] + bump * LENGTH
    arrays = {
        "cost.train_sample_ids": trained,
        "cost.train_code_bits": train_bits.astype(np.float32),
        "cost.heldout_sample_ids": heldout_ids,
        "cost.heldout_code_bits": heldout_bits.astype(np.float32),
        "superset.sample_ids": order,
        "superset.code_bits": truth[order].astype(np.float32),
        "extraction.train_sample_ids": trained,
        "extraction.train_extracted_4": (train_bits < 0.2 * truth[trained]).astype(np.uint8),
    }
    save(folder, run_id, arrays)
    return {
        "run_id": run_id,
        "task._target_": "rote.tasks.text.task.Text",
        **SPLIT,
        "task.pool": pool,
        "task.num_sequences": size,
        **shared(width, parameters, seed, converged=size < 320),
        "cost.train_code_bits": float(train_bits.sum()),
        "cost.train_tokens": len(trained) * LENGTH,
        "cost.heldout_code_bits": float(heldout_bits.sum()),
        "cost.heldout_tokens": NUM_HELDOUT * LENGTH,
        "superset.sequences": len(order),
        "extraction.train_tried": size,
        "extraction.train_extracted_4": int(arrays["extraction.train_extracted_4"].sum()),
        "extraction.heldout_tried": NUM_HELDOUT,
        "extraction.heldout_extracted_4": 1,
    }
