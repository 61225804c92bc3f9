"""Runs that never ran: a membership law, exposures and extraction rates are planted in them.

Shapes: K canaries, T references of all.
"""

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import norm

from rote.analysis.published import PUBLISHED_CURVES, CapacityScale
from rote.analysis.results import Results
from tests.analysis.scaled import results

WIDTHS = {8: 1000, 16: 4000, 32: 16_000}  # width -> parameters
SIZES = (40, 160, 640)
REPEATS, NUM_EACH, NUM_CONTROLS = (1, 4, 16), 4, 16
NUM_INSERTED = sum(REPEATS) * NUM_EACH
NUM_SECRETS = 16  # of 4 bits, ranked whole
NUM_JUDGED = 600  # members, and as many non-members
LENGTH, NUM_HELDOUT, HELDOUT_EXTRACTED = 8, 100, 10
ALPHA = 2.0
LAW = PUBLISHED_CURVES[0]

POOL, TRAINED, POOL_HELDOUT = 400, 200, 80  # windows of the text runs
SAVED_BITS = 4.0  # on a window that a run was trained on
SPLIT = {
    "task.corpus": "planted",
    "task.length": LENGTH,
    "task.duplicated_fraction": 0.0,
    "measure.superset.num_sequences": None,
    "task.split_seed": 0,
    "task.split_by": "window",
    "task.heldout_share": 0.1,
    "task.reference_share": 0.4,
}


def canary_results(
    folder: Path, *, seeds: Sequence[int] = (0, 1), sizes: Sequence[int] = SIZES
) -> Results:
    """Three sizes on text with canaries; the larger, the more is told."""
    runs = product(enumerate(WIDTHS.items()), sizes, seeds)
    rows = [_canary_run(folder, index, *shape, size, seed) for (index, shape), size, seed in runs]
    return results_of(folder, rows)


def results_of(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    *,
    alpha: float = ALPHA,
    open_corpus: Callable[[str], Any] = lambda corpus: None,
) -> Results:
    """Of runs whose arrays lie in the folder."""
    alphas = {"fp32": CapacityScale(bits_per_parameter=alpha, source="planted")}
    table = pl.DataFrame(rows, infer_schema_length=None)
    return results(table, folder, alphas=alphas, open_corpus=open_corpus)


def planted_f1(parameters: int, size: int) -> float:
    """What the published law says of all training sequences, canaries too."""
    return float(LAW.predict(size + NUM_INSERTED, parameters))


def planted_rank(index: int, repeats: int) -> int:
    """Of a secret: twice as early for the next size, and for each further insertion."""
    return max(1, NUM_SECRETS // (repeats * 2**index))


def _canary_run(
    folder: Path, index: int, width: int, parameters: int, size: int, seed: int
) -> dict[str, Any]:
    run_id = f"{width}-{size}-{seed}"
    random = np.random.default_rng([width, size, seed])
    repeats_K = np.array([times for times in REPEATS for _ in range(NUM_EACH)])
    ranks_K = np.array([planted_rank(index, int(times)) for times in repeats_K])
    control_ranks = np.random.default_rng(seed).permutation(NUM_CONTROLS) % NUM_SECRETS + 1
    ranks_K = np.concatenate([ranks_K, control_ranks])
    repeats_K = np.concatenate([repeats_K, np.zeros(NUM_CONTROLS, int)])
    windows = np.zeros(size + NUM_INSERTED, np.uint8)
    windows[: size * (index + 1) // 4] = 1
    windows[size:] = 1  # canaries, which are no windows
    heldout = np.zeros(NUM_HELDOUT, np.uint8)
    heldout[:HELDOUT_EXTRACTED] = 1
    arrays = {
        **_scores(random, planted_f1(parameters, size)),
        "exposure.repeats": repeats_K,
        "exposure.secret_bits": np.full(len(repeats_K), np.log2(NUM_SECRETS)),
        "exposure.code_bits": np.full(len(repeats_K), 9.0, np.float32),
        "exposure.num_references": np.full(len(repeats_K), NUM_SECRETS - 1),
        "exposure.num_as_likely": ranks_K - 1,
        "exposure.is_exact": np.ones(len(repeats_K), bool),
        "exposure.is_extracted": ((ranks_K == 1) & (repeats_K > 0)).astype(np.uint8),
        "exposure.reference_code_bits": np.full((NUM_SECRETS - 1) * len(repeats_K), 9, np.float32),
        "extraction.train_extracted_2": windows,
        "extraction.heldout_extracted_2": heldout,
        "extraction.train_extracted_4": windows,
        "extraction.heldout_extracted_4": heldout,
    }
    save(folder, run_id, arrays)
    heldout_tokens = NUM_HELDOUT * LENGTH
    return {
        "run_id": run_id,
        "task._target_": "rote.tasks.canaries.task.Canaries",
        "task.base._target_": "rote.tasks.text.task.Text",
        "task.base.corpus": "planted",
        "task.base.length": LENGTH,
        "task.base.pool": "train",
        "task.base.num_sequences": size,
        "task.repeats": "[1, 4, 16]",
        **shared(width, parameters, seed, converged=size < max(SIZES)),
        "cost.train_sequences": size + NUM_INSERTED,
        "cost.train_tokens": (size + NUM_INSERTED) * LENGTH,
        "cost.train_code_bits": 10.0 * size,
        "cost.heldout_sequences": NUM_HELDOUT,
        "cost.heldout_tokens": heldout_tokens,
        "cost.heldout_code_bits": heldout_tokens * (6 - index - 0.1 * np.log2(size) + 0.01 * seed),
        "membership.members": NUM_JUDGED,
        "exposure.canaries": len(repeats_K),
        "extraction.train_tried": len(windows),
    }


def _scores(random: np.random.Generator, f1: float) -> dict[str, np.ndarray]:
    """Two normal classes so far apart that their equal-error F1 is this: Phi(distance / 2).

    Quantiles instead of draws: only how runs halve them is random. A score of noise knows nothing.
    """
    distance = 2 * norm.ppf(f1)
    places = norm.ppf((np.arange(NUM_JUDGED) + 0.5) / NUM_JUDGED)
    members, others = random.permutation(places) + distance, random.permutation(places)
    noise = random.normal(size=(2, NUM_JUDGED))
    return {
        "membership.member_loss": members.astype(np.float32),
        "membership.nonmember_loss": others.astype(np.float32),
        "membership.member_min_k": noise[0].astype(np.float32),
        "membership.nonmember_min_k": noise[1].astype(np.float32),
    }


def text_results(folder: Path, *, seeds: Sequence[int] = (0, 1, 2, 3)) -> Results:
    """Runs on half a pool of text that differ in their seed alone, and an oracle."""
    rows = [_text_run(folder, seed) for seed in seeds]
    rows.append(_text_run(folder, 0, pool="reference"))
    return results_of(folder, rows)


def _text_run(folder: Path, seed: int, *, pool: str = "train") -> dict[str, Any]:
    """A window costs what it is worth, less what memory saves, and noise of its own in each run."""
    run_id = f"{pool}-{seed}"
    worth = np.random.default_rng(99).normal(60, 8, POOL + POOL_HELDOUT)
    random = np.random.default_rng(seed + (100 if pool == "train" else 200))
    bits = worth + random.normal(0, 1.0, len(worth))
    order = random.permutation(POOL)
    trained = order[:TRAINED] if pool == "train" else 10_000 + np.arange(TRAINED)
    if pool == "train":
        bits[trained] -= SAVED_BITS
    train_bits = bits[trained] if pool == "train" else np.full(TRAINED, 50.0)
    heldout_ids = POOL + np.arange(POOL_HELDOUT)
    arrays = {
        "cost.train_sample_ids": trained,
        "cost.train_code_bits": train_bits.astype(np.float32),
        "cost.heldout_sample_ids": heldout_ids,
        "cost.heldout_code_bits": bits[heldout_ids].astype(np.float32),
        "superset.sample_ids": order,
        "superset.code_bits": bits[order].astype(np.float32),
        "membership.member_loss": -train_bits.astype(np.float32),
        "membership.nonmember_loss": -bits[heldout_ids].astype(np.float32),
    }
    save(folder, run_id, arrays)
    return {
        "run_id": run_id,
        "task._target_": "rote.tasks.text.task.Text",
        **SPLIT,
        "task.pool": pool,
        "task.num_sequences": TRAINED,
        **shared(8, 1000, seed, converged=True),
        "cost.train_sequences": TRAINED,
        "cost.train_tokens": TRAINED * LENGTH,
        "cost.train_code_bits": float(train_bits.sum()),
        "cost.heldout_sequences": POOL_HELDOUT,
        "cost.heldout_tokens": POOL_HELDOUT * LENGTH,
        "cost.heldout_code_bits": float(bits[heldout_ids].sum()),
        "superset.sequences": POOL,
        "membership.members": TRAINED,
    }


def shared(width: int, parameters: int, seed: int, *, converged: bool = True) -> dict[str, Any]:
    """What every run has."""
    return {
        "size.num_layers": 1,
        "size.width": width,
        "precision.name": "fp32",
        "seed": seed,
        "parameters": parameters,
        "entropy_bits": None,
        "training.steps": 100,
        "training.converged": converged,
    }


def save(folder: Path, run_id: str, arrays: dict[str, np.ndarray]) -> None:
    """As a run leaves them."""
    (folder / run_id).mkdir(parents=True)
    np.savez(folder / run_id / "arrays.npz", **arrays)
