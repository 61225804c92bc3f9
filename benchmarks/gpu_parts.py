"""The parts of gpu.py: each yields rows, a name and what was measured under it.

Without a GPU all sizes are tiny.
"""

import math
import multiprocessing
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import stacking  # beside this script
import torch
from gpu import Part
from gpu_large import (
    DEVICE,
    IS_GPU,
    SECONDS,
    Row,
    Rows,
    device_name,
    fp8,
    large_batch,
    large_options,
    seconds_of,
    spec_of,
)

from rote.config.build import build
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.models.count import trainable_parameters
from rote.run.assembly import make_training_run
from rote.run.execute import execute
from rote.run.preflight import Preflight
from rote.training.finish.evaluation import FullBatch, flat
from rote.training.graphed import GRAPH
from rote.training.training_run import CheckpointPolicy

__all__ = ["PARTS", "device_name"]
SMALL = stacking.GPU_SHAPES if IS_GPU else {"tiny": stacking.SHAPES["1x12"]}
MODES = (None, GRAPH) if IS_GPU else (None,)
STEPS = 300 if IS_GPU else 20


def train() -> Rows:
    """From the training time of two runs, so that what happens once is left out.

    A run before them warms the device up: with it in the first, a rate came out below zero.
    """
    for name, shape in SMALL.items():
        for mode in MODES:
            seconds = []
            for steps in (100, 100, 100 + STEPS):
                spec = spec_of(
                    *_sized(shape), "task.num_sequences=1024", "precision=bf16_mixed",
                    f"budget.max_steps={steps}", f"budget.batch_size={shape[-1]}",
                    f"budget.saturation.min_steps={steps}", "optim=adamw",
                    f"host.compile={mode or 'null'}",
                )  # fmt: skip
                seconds.append(_circumstances(spec)["train_seconds"])
            rate = STEPS / (seconds[2] - seconds[1])
            yield f"{name} host.compile={mode}", {"steps_per_second": rate}


def stacks(name: str) -> Rows:
    """Steps a second of all runs together; five rounds of each size."""
    shape, sizes = (SMALL[name], (1, 8, 32, 128)) if IS_GPU else (SMALL["tiny"], (1, 2))
    precision = build(spec_of("precision=bf16_mixed").what["precision"])
    yield from stacking.rates(shape, precision, sizes, DEVICE, SECONDS / 10, MODES).items()


def two_processes() -> Rows:
    """Steps a second of stacks of 32, alone on the GPU and beside each other."""
    context = multiprocessing.get_context("spawn")
    for count in (1, 2):
        barrier, rates = context.Barrier(count), context.Queue()
        processes = [context.Process(target=_one_of, args=(barrier, rates)) for _ in range(count)]
        for process in processes:
            process.start()
        total = sum(rates.get(timeout=60) for _ in processes)
        for process in processes:
            process.join()
        yield f"{count} at once", {"steps_per_second": total}


def _one_of(barrier: Any, rates: Any) -> None:
    shape, size = SMALL["535k" if IS_GPU else "tiny"], 32 if IS_GPU else 2
    precision = build(spec_of("precision=bf16_mixed").what["precision"])
    step = stacking.stacked(shape, precision, size, DEVICE, None)
    step()
    barrier.wait()
    rates.put(size * stacking.rate(step, DEVICE, SECONDS))


def finish() -> Rows:
    """Evaluations a second of runs together, each of a set of 4.5 bits a parameter."""
    counts = {"80k": 3, "535k": 1} if IS_GPU else {"tiny": 2}
    for name, count in counts.items():
        for mode in MODES:
            yield f"{count} x {name} host.compile={mode}", _finish(SMALL[name], count, mode)


def _finish(shape: tuple[int, ...], count: int, mode: str | None) -> Row:
    """And the largest relative difference from the first gradient, of one point evaluated again."""
    (model,) = stacking.models(shape, 1, torch.device("cpu"))
    bits = shape[4] * math.log2(shape[3])
    number = math.ceil(4.5 * trainable_parameters(model) / bits)
    runs = []
    for seed in range(count):
        spec = spec_of(
            *_sized(shape), f"task.num_sequences={number}", f"seed={seed}",
            "budget/finish=lbfgs", f"host.compile={mode or 'null'}",
        )  # fmt: skip
        task = build(spec.what["task"])
        runs.append(
            make_training_run(
                spec, task, on_row=lambda row: None, checkpointing=CheckpointPolicy(), resume=None
            )
        )
        runs[-1].model.to(DEVICE)
    full = FullBatch(runs, DEVICE)
    points = [flat(one.model) for one in runs]
    first = full(points)
    seconds = seconds_of(lambda: full(points))
    norms = [
        float(torch.linalg.vector_norm(b - a) / torch.linalg.vector_norm(a))
        for (_, a), (_, b) in zip(first, full(points), strict=True)
    ]
    return {
        "evaluations_per_second": 1 / statistics.median(seconds), "num_sequences": number,
        "difference": max(norms),
    }  # fmt: skip


def memory() -> Rows:
    """Peak memory of two steps of `rote train`, beside the bill's."""
    gpt2 = ("task.length=1024", "task.vocab_size=50257")
    cases: list[tuple[str, int, tuple[str, ...]]] = [("demo_s", 32, ("task.length=16",))]
    if IS_GPU:
        cases = [("535k", 1024, ()), ("124m", 4, gpt2), ("355m", 8, gpt2), ("774m", 8, gpt2)]
    for size, batch_size, task in cases:
        for precision in ("fp32", "bf16_mixed", "bf16_true"):
            spec = spec_of(
                f"size={size}", *task, f"precision={precision}", "optim=adamw",
                "budget.max_steps=2", "budget.check_every_steps=2",
                f"budget.batch_size={batch_size}", f"task.num_sequences={batch_size}",
                "task.num_heldout_sequences=1",
            )  # fmt: skip
            if IS_GPU:
                torch.cuda.reset_peak_memory_stats()
            measured = _circumstances(spec)["peak_memory_bytes"]
            predicted = Preflight().facts(spec).peak_bytes(1)
            row = {"predicted_bytes": predicted, "peak_memory_bytes": measured}
            yield f"{size} B={batch_size} {precision}", row


def _sized(shape: tuple[int, ...]) -> list[str]:
    keys = ("size.num_layers", "size.width", "size.num_heads", "task.vocab_size", "task.length")
    return [f"{key}={value}" for key, value in zip(keys, shape, strict=False)]


def _circumstances(spec: Spec) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        execute(spec, store)
        return store.run(spec.run_id).circumstances()


# Expected seconds are estimates from rates of an H100; no part has run on a GPU yet.
PARTS = {
    "train": Part(
        "steps a second of `rote train`, 80k and 535k, plain and as a graph", 60, 120, train
    ),
    "stacks_80k": Part(
        "80k in stacks of 1 to 128, plain and as a graph", 45, 100, partial(stacks, "80k")
    ),
    "stacks_535k": Part("the same of 535k", 60, 120, partial(stacks, "535k")),
    "two_processes": Part(
        "stacks of 32 x 535k by one process, and by two at once", 50, 100, two_processes
    ),
    "finish": Part(
        "gradients of whole training sets a second, plain and as a graph", 50, 100, finish
    ),
    "large_true": Part(
        "1.5b in bf16_true: tokens a second, MFU, memory by batch",
        70,
        120,
        partial(large_batch, "bf16_true"),
    ),
    "large_mixed": Part("the same in bf16_mixed", 70, 120, partial(large_batch, "bf16_mixed")),
    "large_options": Part(
        "1.5b: the same by compiling, clipping, optimiser, head", 110, 120, large_options
    ),
    "fp8": Part("products in float8 beside bfloat16, and 1.5b with them", 60, 120, fp8),
    "memory": Part("peak memory beside the bill's", 90, 120, memory),
}
