"""Runs with exact matches that never ran: shares right are planted in them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.results import Results
from tests.analysis.planted_leakage import save
from tests.analysis.scaled import results

PARAMETERS = {14: 1582, 56: 20_440}
NUM_SPLITS, NUM_SEEDS = 6, 2
HELDOUT_RIGHT = {14: 16, 56: 4}  # of 20, on random splits, give or take one
ATTRIBUTE_BITS = 8.0
PEOPLE = 30


def planted_results(folder: Path) -> Results:
    """Arithmetic on both splits, facts, both together, and biographies, in two sizes."""
    rows = []
    for width in PARAMETERS:
        for seed in range(NUM_SEEDS):
            rows += [_arithmetic(width, seed, split) for split in range(NUM_SPLITS)]
            rows.append(_original(width, seed))
            rows.append(_facts(width, seed))
            rows.append(_joint(width, seed))
            rows.append(_biographies(folder, width, seed))
    return results_of(folder, rows)


def results_of(
    folder: Path,
    rows: list[dict[str, Any]],
    curves: Mapping[str, list[dict[str, float]]] | None = None,
) -> Results:
    """Of rows that have a run id."""
    made = results(pl.DataFrame(rows, infer_schema_length=None), folder)
    return dataclasses.replace(made, curves={**made.curves, **(curves or {})})


def counts(name: str, right: int, tried: int) -> dict[str, Any]:
    """Totals of one side and group."""
    return {
        f"exact_match.{name}_tried": tried,
        f"exact_match.{name}_right_forced": right,
        f"exact_match.{name}_right_free": right,
    }


def _run(kind: str, width: int, seed: int, task: str, **more: Any) -> dict[str, Any]:
    return {
        "run_id": f"{kind}-{width}-{seed}" + "".join(f"-{value}" for value in more.values()),
        "task._target_": task,
        "size.num_layers": 1,
        "size.width": width,
        "precision.name": "fp32",
        "seed": seed,
        "parameters": PARAMETERS[width],
        "training.steps": 100,
        **more,
    }


def _arithmetic(width: int, seed: int, split: int) -> dict[str, Any]:
    seen = _run(
        "random", width, seed, "rote.tasks.arithmetic.task.Arithmetic", **{"task.split.seed": split}
    )
    right = HELDOUT_RIGHT[width] + (split + seed) % 3 - 1
    return {
        **seen,
        "task.split._target_": "rote.tasks.arithmetic.splits.Randomly",
        **counts("train_add", 88, 90),
        **counts("train_subtract", 90, 90),
        **counts("heldout_add", right // 2, 10),
        **counts("heldout_subtract", right - right // 2, 10),
    }


def _original(width: int, seed: int) -> dict[str, Any]:
    right = 2 if width == 14 else 0
    return {
        **_run("original", width, seed, "rote.tasks.arithmetic.task.Arithmetic"),
        "task.split._target_": "rote.tasks.arithmetic.splits.Original",
        **counts("train_add", 98, 98),
        **counts("train_subtract", 98, 98),
        **counts("heldout_add", right, 2),
        **counts("heldout_subtract", right, 2),
    }


def _facts(width: int, seed: int) -> dict[str, Any]:
    return {
        **_run("facts", width, seed, "rote.tasks.facts.task.Facts"),
        **counts("train_fact", 4 if width == 14 else 50, 50),
        **counts("heldout_fact", 0, 10),
    }


def _joint(width: int, seed: int) -> dict[str, Any]:
    return {
        **_run("joint", width, seed, "rote.tasks.mixture.Mixture"),
        "task.parts.arithmetic._target_": "rote.tasks.arithmetic.task.Arithmetic",
        "task.parts.arithmetic.split._target_": "rote.tasks.arithmetic.splits.Randomly",
        "task.parts.arithmetic.split.seed": 0,
        "task.parts.facts._target_": "rote.tasks.facts.task.Facts",
        **counts("train_arithmetic_add", 80, 90),
        **counts("heldout_arithmetic_add", 1, 20),
        **counts("train_facts_fact", 50, 50),
        **counts("heldout_facts_fact", 0, 10),
    }


def _biographies(folder: Path, width: int, seed: int) -> dict[str, Any]:
    """The larger model stores 6 of 8 bits of what it read 4 times, 2 of what it read once."""
    run = _run("people", width, seed, "rote.tasks.facts.biographies.Biographies")
    exposures = np.tile([1, 4, 0], PEOPLE // 3)
    stored = np.array([2.0, 6.0, -1.0])[np.arange(PEOPLE) % 3] if width == 56 else np.zeros(PEOPLE)
    right = (exposures == 4) & (width == 56)
    code = ATTRIBUTE_BITS - stored
    is_train = exposures > 0
    save(
        folder,
        run["run_id"],
        {
            "exact_match.groups": np.array(["birth_city"]),
            "exact_match.group": np.zeros(PEOPLE, np.uint8),
            "exact_match.exposures": exposures.astype(np.int32),
            "exact_match.answer_bits": np.full(PEOPLE, ATTRIBUTE_BITS, np.float32),
            "exact_match.answer_code_bits": code.astype(np.float32),
            "exact_match.right_free": right.astype(np.uint8),
        },
    )
    return {
        **run,
        **counts("train_birth_city", int(right.sum()), int(is_train.sum())),
        **counts("heldout_birth_city", 0, int((~is_train).sum())),
        "exact_match.train_birth_city_answer_bits": ATTRIBUTE_BITS * int(is_train.sum()),
        "exact_match.train_birth_city_answer_code_bits": float(code[is_train].sum()),
    }
