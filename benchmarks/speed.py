"""Tokens a second of our training beside Hugging Face's, side by side in one run: `make bench`.

Two processes are kept through the whole run and take turns, one contestant after another, several
rounds over: one as torch starts it, for Hugging Face's, one that keeps freed memory as `rote train`
asks for, for ours. Ratios are taken within a round. Prints a table and writes every round with the
machine and the versions to benchmarks/results/speed.json.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import contestants
import torch
from contestants import Cell

from rote.core.process import keep_freed_memory
from rote.core.provenance import provenance

ROUNDS = 5
STEPS = {"535k": 12, "1.86m": 6}  # timed ones; half a second to a second on quiet cores
Maker = Callable[[Cell], contestants.Contestant]
THEIRS: dict[str, Maker] = {
    "hf_trainer": contestants.their_trainer,
    "hf_loop": contestants.their_loop,
}
OURS: dict[str, Maker] = {
    "hf_loop_keeping_memory": contestants.their_loop,
    "our_loop": contestants.our_loop,
    "our_product": contestants.our_product,
    "our_compiled_loop": contestants.our_compiled_loop,
    "forward": contestants.our_forward,
    "evaluation": contestants.our_evaluation,
    "matmul_float32": partial(contestants.matrix_products, torch.float32),
    "matmul_bfloat16": partial(contestants.matrix_products, torch.bfloat16),
}
RATIOS = {  # what is compared with what, and what is aimed at
    "product / HF Trainer": ("our_product", "hf_trainer", 1.3),
    "product / HF bare loop": ("our_product", "hf_loop", None),
    "product / our bare loop": ("our_product", "our_loop", 0.97),
    "HF bare loop, keeping memory / not": ("hf_loop_keeping_memory", "hf_loop", None),
    "compiled / our bare loop": ("our_compiled_loop", "our_loop", None),
    "evaluation / forward pass": ("evaluation", "forward", None),
}
Rounds = list[dict[str, float]]


def main() -> None:
    """Cell after cell, each with all its rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--threads", type=int, default=1, help="of each contestant")
    options = parser.parse_args()
    started = time.time()
    cells = {}
    spawn = get_context("spawn")
    with (
        ProcessPoolExecutor(
            1, spawn, initializer=_start, initargs=(options.threads, False)
        ) as theirs,
        ProcessPoolExecutor(1, spawn, initializer=_start, initargs=(options.threads, True)) as ours,
    ):
        pools = dict.fromkeys(THEIRS, theirs) | dict.fromkeys(OURS, ours)
        for shape in contestants.SHAPES:
            for precision in contestants.PRECISIONS:
                # Smaller models train for less time than compiling takes.
                if shape != "1.86m" or options.no_compile:
                    pools.pop("our_compiled_loop", None)
                else:
                    pools["our_compiled_loop"] = ours
                rounds = _rounds(pools, Cell(shape=shape, precision=precision))
                cells[f"{shape} {precision}"] = _summary(shape, rounds)
                sys.stdout.write(_table(f"{shape} {precision}", cells[f"{shape} {precision}"]))
                sys.stdout.flush()
    result = {
        "batch_size": contestants.BATCH_SIZE,
        "length": contestants.LENGTH,
        "threads": options.threads,
        "seconds": time.time() - started,
        "cells": cells,
        "provenance": _provenance(),
    }
    name = "speed.json" if options.threads == 1 else f"speed_{options.threads}_threads.json"
    path = Path(__file__).parent / "results" / name
    path.write_text(json.dumps(result, indent=1) + "\n")


def _start(threads: int, keep_memory: bool) -> None:
    torch.set_num_threads(threads)
    if keep_memory:
        keep_freed_memory()


@cache
def _contestant(name: str, cell: Cell) -> contestants.Contestant:
    return (THEIRS | OURS)[name](cell)


def _measure(name: str, cell: Cell) -> float:
    return _contestant(name, cell)(contestants.WARMUP_STEPS + STEPS[cell.shape])


def _rounds(pools: dict[str, ProcessPoolExecutor], cell: Cell) -> Rounds:
    """One more than is kept: the first also imports, compiles and warms caches up."""
    rounds = [
        {name: pool.submit(_measure, name, cell).result() for name, pool in pools.items()}
        for _ in range(1 + ROUNDS)
    ]
    return rounds[1:]


def _summary(shape: str, rounds: Rounds) -> dict[str, Any]:
    flops = 6.0 * contestants.parameters(shape)
    ratios = {
        label: [row[over] / row[under] for row in rounds]
        for label, (over, under, _) in RATIOS.items()
        if over in rounds[0]
    }
    for name in ("hf_loop", "our_product", "our_compiled_loop"):
        for dtype in ("float32", "bfloat16"):
            if name in rounds[0]:
                ratios[f"{name}: share of {dtype} rate"] = [
                    flops * row[name] / row[f"matmul_{dtype}"] for row in rounds
                ]
    return {
        "median": {name: statistics.median(row[name] for row in rounds) for name in rounds[0]},
        "ratios": {label: _spread(values) for label, values in ratios.items()},
        "rounds": rounds,
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _table(title: str, summary: dict[str, Any]) -> str:
    lines = [f"\n{title}"]
    for name, value in summary["median"].items():
        amount = f"{value / 1e9:,.0f} GFLOP/s" if name.startswith("matmul") else f"{value:,.0f}"
        lines.append(f"  {name:38} {amount:>12}")
    for label, row in summary["ratios"].items():
        aim = RATIOS[label][2] if label in RATIOS else 0.6 if "float32" in label else None
        note = f"  aim {aim}" if aim else ""
        lines.append(f"  {label:38} {row['median']:5.2f} ({row['min']:.2f}-{row['max']:.2f}){note}")
    return "\n".join(lines) + "\n"


def _provenance() -> dict[str, Any]:
    facts = provenance()
    versions = {name: metadata.version(name) for name in ("transformers", "accelerate")}
    return {**facts, "versions": facts["versions"] | versions}


if __name__ == "__main__":
    main()
