"""Estimate the cost of a sweep: points, parameters, bits, FLOPs, memory and hours; no torch.

All figures except the parameter counts are upper bounds, because saturated runs stop early.

GPU time is predicted from rates that were measured on one. A step takes the time of its calls,
which grows with layers and not with their arithmetic, and the time of its arithmetic, 6 P FLOPs a
token (Kaplan et al. 2020, section 2.1). A single run takes the longer of the two, since calls are
queued while the GPU computes; a stack, as measured, takes both. Letters: P parameters.
"""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rote.analysis.derived import FLOPS_PER_PARAMETER_AND_TOKEN, peak_flops_per_second


@dataclass(frozen=True)
class Measured:
    """The measured training speed of one stack."""

    layers: int
    parameters: int
    tokens_per_step: int  # of one member
    stack: int
    is_replayed: bool  # as one graph, host.compile=graph
    steps_per_second: float  # of all members together
    where: str


# All on one NVIDIA H100 80GB HBM3 (SXM), torch 2.11, bf16_mixed, AdamW. Stacks and 1.5b are bare
# steps, medians of five rounds; `rote train` was measured on another machine of the same kind.
STACKS, PRODUCT, LARGE = (
    f"benchmarks/results/gpu.json, {part}" for part in ("stacks", "product", "large")
)
RATES = (
    # layers, parameters, tokens a step, stack, replayed, steps a second
    Measured(1, 80_352, 4096, 1, False, 193.9, STACKS),
    Measured(1, 80_352, 4096, 1, False, 201.8, PRODUCT),
    Measured(1, 80_352, 4096, 32, False, 3170.4, STACKS),
    Measured(1, 80_352, 4096, 32, True, 4227.2, STACKS),
    Measured(1, 80_352, 4096, 128, False, 4313.0, STACKS),
    Measured(1, 80_352, 4096, 128, True, 4530.2, STACKS),
    Measured(8, 535_168, 4096, 1, False, 53.86, STACKS),
    Measured(8, 535_168, 4096, 1, False, 38.43, PRODUCT),
    Measured(8, 535_168, 4096, 32, False, 614.6, STACKS),
    Measured(8, 535_168, 4096, 32, True, 830.9, STACKS),
    Measured(8, 535_168, 4096, 128, False, 868.8, STACKS),
    Measured(8, 535_168, 4096, 128, True, 898.6, STACKS),
    Measured(48, 1_557_611_200, 8192, 1, False, 3.637, LARGE),
)

# Fitted to the rows above: seconds of a step's calls, and of each layer's calls.
CALLS_SECONDS, CALLS_SECONDS_A_LAYER = 2.2e-3, 2.4e-3
REPLAYED_SECONDS, REPLAYED_SECONDS_A_LAYER = 0.2e-3, 0.46e-3
# The formula gives 0.82 to 1.15 of every row. For the 24 runs of capacity_80k (Muon, two stacks at
# a time, docs/findings.md), to which nothing was fitted, it predicts 54 s; they held a GPU, which
# had other work besides, for 91 s with starting and measuring.
FACTOR = 2.0
SHEET_NAME, SHEET_FORMATS = "NVIDIA H100 80GB HBM3", ("fp32", "tf32", "bf16_mixed", "bf16_true")
# Upper bounds on a GPU's speed over the measured one. Nothing was measured on an H200: the same
# chip with memory of 4.8 instead of 3.35 TB/s (NVIDIA's data sheets, 2023 and 2024).
FASTER = {"H100": 1.0, "H200": 4.8 / 3.35}
H100_GIB = 80e9 / 2**30  # of memory, by the data sheet


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a run's training: gradients of so many tokens each, within a stack."""

    gradients: int
    tokens: int
    stack: int
    precision: str


def gpu_hours(seconds: float) -> dict[str, tuple[float, float]]:
    """Return the least and most hours for the predicted ``seconds``, by kind of GPU."""
    hours = seconds / 3600
    return {name: (hours / FACTOR / faster, hours * FACTOR) for name, faster in FASTER.items()}


def h100_seconds(
    phases: Iterable[Phase], *, layers: int, parameters: int, is_replayed: bool
) -> float:
    """Return one run's share of its stacks' time, if nothing stops it early.

    ``is_replayed``: a step's calls are replayed as one graph.
    """
    calls = _calls_seconds(layers, is_replayed=is_replayed)
    seconds = 0.0
    for phase in phases:
        token_seconds = FLOPS_PER_PARAMETER_AND_TOKEN * parameters
        token_seconds /= flops_per_second(parameters, phase.precision)
        arithmetic = phase.stack * phase.tokens * token_seconds
        step = max(calls, arithmetic) if phase.stack == 1 else calls + arithmetic
        seconds += phase.gradients * step / phase.stack
    return seconds


def flops_per_second(parameters: int, precision: str) -> float:
    """Return the rate of a step's arithmetic, interpolated between measured sizes by logarithms.

    Sizes outside take the nearest rate. Formats other than bf16_mixed were not timed: they are
    assumed as fast, up to the share of their peak that bf16_mixed reaches with the largest model.
    An unknown format counts as fp32.
    """
    known = _arithmetic_rates()
    sizes = sorted(known)
    rate = np.exp(np.interp(np.log(parameters), np.log(sizes), np.log([known[p] for p in sizes])))
    share = known[sizes[-1]] / _peak("bf16_mixed")
    return min(float(rate), share * _peak(precision))


def _arithmetic_rates() -> dict[int, float]:
    """Return rates by parameters, each from the row with most arithmetic a step, without calls."""
    rates: dict[int, float] = {}
    for row in sorted(RATES, key=lambda row: row.stack):
        if not row.is_replayed:
            calls = _calls_seconds(row.layers, is_replayed=False) if row.stack > 1 else 0.0
            flops = FLOPS_PER_PARAMETER_AND_TOKEN * row.parameters * row.tokens_per_step * row.stack
            rates[row.parameters] = flops / (row.stack / row.steps_per_second - calls)
    return rates


def _peak(precision: str) -> float:
    peak = peak_flops_per_second(SHEET_NAME, precision if precision in SHEET_FORMATS else "fp32")
    assert peak is not None
    return peak


def _calls_seconds(layers: int, *, is_replayed: bool) -> float:
    if is_replayed:
        return REPLAYED_SECONDS + layers * REPLAYED_SECONDS_A_LAYER
    return CALLS_SECONDS + layers * CALLS_SECONDS_A_LAYER


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
    """The cost of one point of the grid."""

    label: str
    parameters: int
    entropy_bits: float | None
    max_steps: int
    flops: float
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class Bill:
    """All lines and their totals."""

    lines: tuple[Line, ...]
    num_done: int
    num_stacks: int  # that the runs not done form on the sweep's host, single runs included
    flops: float
    max_memory_bytes: int
    seconds_here: float  # at most, for points not done, on this machine's cores
    gpu_hours: Mapping[str, tuple[float, float]]  # the same on one GPU, least and most, by its kind
    h100_mfu: float | None  # without attention, by the prediction; None if nothing is left

    def on(self, gpu: str) -> "Bill":
        """Return the bill with the hours of this kind of GPU alone."""
        hours = {name: hours for name, hours in self.gpu_hours.items() if name.lower() == gpu}
        return replace(self, gpu_hours=hours)


def bill(
    lines: Sequence[Line],
    *,
    seconds: Sequence[float],
    num_workers: int,
    num_stacks: int,
    flops_left: float,
    h100_seconds: float,
) -> Bill:
    """Add up ``lines``, and the ``seconds`` of each unfinished one, here and on a GPU.

    ``flops_left`` and ``h100_seconds``, on one H100, are of all unfinished ones together.
    """
    whole = [each + RUN_SECONDS for each in seconds]
    # No schedule beats the mean load; greedy workers exceed it by at most one run.
    span = max(sum(whole) / max(1, num_workers), max(whole, default=0.0))
    return Bill(
        lines=tuple(lines),
        num_done=len(lines) - len(seconds),
        num_stacks=num_stacks,
        flops=sum(line.flops for line in lines),
        max_memory_bytes=max((line.memory_bytes for line in lines), default=0),
        seconds_here=span + START_SECONDS if whole else 0.0,
        gpu_hours=gpu_hours(h100_seconds),
        h100_mfu=flops_left / h100_seconds / _peak("bf16_mixed") if h100_seconds else None,
    )


def flops_per_second_here() -> float:
    """Measure the rate that training sustains on one core of this machine."""
    return MATMUL_SHARE * matmul_flops_per_second()


def matmul_flops_per_second() -> float:
    """Measure float32 matrix products of numpy's BLAS, per core, best of five."""
    matrix = np.random.default_rng(0).standard_normal((CALIBRATION_SIZE,) * 2, dtype=np.float32)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        np.matmul(matrix, matrix)
        times.append(time.perf_counter() - start)
    num_cores = len(os.sched_getaffinity(0))  # BLAS uses them all
    return 2.0 * CALIBRATION_SIZE**3 / min(times) / num_cores
