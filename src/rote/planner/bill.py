"""The bill of a sweep: points, parameters, bits, FLOPs, memory, hours; no torch.

Every figure but the parameter counts is an upper bound: saturated runs stop early.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rote.planner.gpu_hours import gpu_hours

# Fitted by benchmarks/step_cost.py to float32 steps of 2,868 to 1.86M parameters: a step runs at
# this share of a core's matrix-product rate, plus a time that does not depend on the model's size.
MATMUL_SHARE = 0.45
STEP_OVERHEAD_SECONDS = 2.0e-3
CALIBRATION_SIZE = 512
# A worker imports torch and Lightning once; a run builds model and data, measures and is recorded
# (AMD EPYC, medians of `make demo`).
START_SECONDS, RUN_SECONDS = 10.0, 0.5


@dataclass(frozen=True, kw_only=True)
class Line:
    """One point of the grid, as far as its cost goes."""

    label: str
    parameters: int
    entropy_bits: float | None
    max_steps: int
    flops: float
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class Bill:
    """All lines, and what they add up to."""

    lines: tuple[Line, ...]
    num_done: int
    flops: float
    max_memory_bytes: int
    seconds_here: float  # at most, for what is not done, on this machine's cores
    gpu_hours: Mapping[str, tuple[float, float]]  # the same on one GPU, from and to, by its kind


def bill(
    lines: Sequence[Line], *, seconds: Sequence[float], num_workers: int, h100_seconds: float
) -> Bill:
    """Add up ``lines``, and the ``seconds`` of each that is not done, here and on a GPU."""
    whole = [each + RUN_SECONDS for each in seconds]
    # No schedule beats the mean load, none with greedy workers exceeds it by more than one run.
    span = max(sum(whole) / max(1, num_workers), max(whole, default=0.0))
    return Bill(
        lines=tuple(lines),
        num_done=len(lines) - len(seconds),
        flops=sum(line.flops for line in lines),
        max_memory_bytes=max((line.memory_bytes for line in lines), default=0),
        seconds_here=span + START_SECONDS if whole else 0.0,
        gpu_hours=gpu_hours(h100_seconds),
    )


def flops_per_second_here() -> float:
    """What training sustains on one core of this machine, measured here and now."""
    return MATMUL_SHARE * matmul_flops_per_second()


def matmul_flops_per_second() -> float:
    """float32 matrix products of numpy's BLAS, per core, best of five."""
    matrix = np.random.default_rng(0).standard_normal((CALIBRATION_SIZE,) * 2, dtype=np.float32)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        np.matmul(matrix, matrix)
        times.append(time.perf_counter() - start)
    num_cores = len(os.sched_getaffinity(0))  # BLAS takes them all
    return 2.0 * CALIBRATION_SIZE**3 / min(times) / num_cores
