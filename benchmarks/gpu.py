"""Everything that needs a GPU, in one call of at most ten minutes: `python benchmarks/gpu.py`.

Large: 1.5b in bf16_mixed at S=1024: tokens a second, share of the matrix-product rate, memory.
Recipe: 8x128 on 38,000 sequences until it holds 3.5 bits per parameter, or four minutes are over.
Small: steps a second of 1x20 and 8x64, plain, compiled, and compiled with CUDA graphs.
Stacks: member steps a second of 80k and 535k trained 32 and 128 as one, and one at a time.
Writes benchmarks/results/gpu.json on a GPU; on a CPU the same code runs tiny and prints only.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import stacking  # beside this script
import torch
from torch import Tensor, nn

from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.optim.muon import muon_with_adamw
from rote.optim.schedules import linear
from rote.precision import Precision
from rote.provenance import provenance
from rote.tasks.uniform import Uniform
from rote.training.compiling import compiled
from rote.training.order import BatchOrder
from rote.units import bits_from_nats

BF16_MIXED = Precision(name="bf16_mixed", weights="float32", autocast="bfloat16", matmul="highest")
CLIP_NORM = 1.0
BITS_PER_PARAMETER = 3.5


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A model and its batches."""

    num_layers: int
    width: int
    num_heads: int
    vocab_size: int
    length: int
    batch_size: int

    def model(self, device: torch.device) -> GPT:
        """Made on the device."""
        torch.manual_seed(0)
        with device:
            return GPT(
                num_layers=self.num_layers, width=self.width, num_heads=self.num_heads,
                vocab_size=self.vocab_size, max_length=self.length,
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes of all parts."""

    device: torch.device
    large: Shape
    recipe: Shape
    recipe_sequences: int
    recipe_steps: int
    small: dict[str, Shape]
    seconds: float  # of each measurement
    recipe_seconds: float

    @classmethod
    def on_gpu(cls) -> "Plan":
        """Sized for one GPU of 80 GB or more."""
        return cls(
            device=torch.device("cuda"),
            large=Shape(num_layers=48, width=1600, num_heads=25, vocab_size=50257, length=1024,
                        batch_size=8),
            recipe=Shape(num_layers=8, width=128, num_heads=4, vocab_size=2048, length=64,
                         batch_size=1024),
            recipe_sequences=38_000,
            recipe_steps=12_000,
            small={
                "1x20": Shape(num_layers=1, width=20, num_heads=1, vocab_size=64, length=16,
                              batch_size=32),
                "8x64": Shape(num_layers=8, width=64, num_heads=2, vocab_size=2048, length=64,
                              batch_size=64),
            },
            seconds=10.0,
            recipe_seconds=240.0,
        )  # fmt: skip

    @classmethod
    def on_cpu(cls) -> "Plan":
        """The same code in seconds, to see that it runs."""
        tiny = Shape(num_layers=1, width=16, num_heads=2, vocab_size=64, length=16, batch_size=16)
        return cls(
            device=torch.device("cpu"), large=tiny, recipe=tiny, recipe_sequences=32,
            recipe_steps=20, small={"tiny": tiny}, seconds=0.5, recipe_seconds=5.0,
        )  # fmt: skip


def main() -> None:
    """Part after part; each releases its memory."""
    plan = Plan.on_gpu() if torch.cuda.is_available() else Plan.on_cpu()
    result: dict[str, Any] = {"device": _name(plan.device)}
    for part in (large, recipe, small, stacks):
        started = time.time()
        result[part.__name__] = part(plan)
        result[part.__name__]["seconds"] = time.time() - started
        sys.stdout.write(json.dumps({part.__name__: result[part.__name__]}, indent=1) + "\n")
        sys.stdout.flush()
    result["provenance"] = provenance()
    if plan.device.type == "cuda":
        path = Path(__file__).parent / "results" / "gpu.json"
        path.write_text(json.dumps(result, indent=1) + "\n")


def large(plan: Plan) -> dict[str, Any]:
    """Model FLOPs a token: 6 P + 12 x layers x width x length (Chowdhery et al. 2022)."""
    shape, rate = plan.large, _matmul_flops_per_second(plan.device)
    model = shape.model(plan.device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    tokens_BL = _tokens(shape, plan.device, shape.batch_size)
    step = _step(model, optimiser, BF16_MIXED)
    tokens_per_second = tokens_BL.numel() * _rate_of(lambda: step(tokens_BL), plan)
    attention = 12 * shape.num_layers * shape.width * shape.length
    flops = tokens_per_second * (6 * _parameters(model) + attention)
    return {
        "parameters": _parameters(model),
        "tokens_per_second": tokens_per_second,
        "model_flops_per_second": flops,
        "matmul_flops_per_second": rate,
        "share_of_matmul_rate": flops / rate,
        "peak_memory_bytes": _peak_memory(plan.device),
    }


def recipe(plan: Plan) -> dict[str, Any]:
    """Tokens and seconds until the training set is stored at 3.5 bits per parameter."""
    shape = plan.recipe
    model = shape.model(plan.device)
    optimiser = muon_with_adamw(
        model.named_parameters(), lr=3e-2, momentum=0.95, weight_decay=0.0,
        embeddings=True, adamw_lr=1e-2, adamw_betas=(0.9, 0.99),
    )  # fmt: skip
    peaks = [group["lr"] for group in optimiser.param_groups]
    tokens_NL = _tokens(shape, plan.device, plan.recipe_sequences)
    entropy_bits = tokens_NL.numel() * math.log2(shape.vocab_size)
    order = BatchOrder(num_sequences=len(tokens_NL), batch_size=shape.batch_size, seed=0)
    step, started, rows = _step(model, optimiser, BF16_MIXED), time.monotonic(), []
    stride = max(1, len(tokens_NL) // order.batch_size)  # about an epoch
    for first in range(0, plan.recipe_steps, stride):
        steps = range(first, min(first + stride, plan.recipe_steps))
        nats = torch.zeros((), device=plan.device)
        for number, indices_B in zip(steps, order.indices(steps).to(plan.device), strict=True):
            fraction = linear(number, plan.recipe_steps, warmup_steps=100, final_fraction=0.0)
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * fraction
            nats += step(tokens_NL[indices_B])
        left = tokens_NL.numel() * bits_from_nats(float(nats) / len(steps))
        stored = (entropy_bits - left) / _parameters(model)
        rows.append((steps.stop, time.monotonic() - started, stored))
        if stored >= BITS_PER_PARAMETER or rows[-1][1] > plan.recipe_seconds:
            break
    last_step, seconds, stored = rows[-1]
    return {
        "bits_per_parameter": stored,
        "is_reached": stored >= BITS_PER_PARAMETER,
        "steps": last_step,
        "tokens": last_step * order.batch_size * shape.length,
        "train_seconds": seconds,
        "rows": rows[:: max(1, len(rows) // 100)],  # steps, seconds, bits per parameter
    }


def small(plan: Plan) -> dict[str, Any]:
    """Steps a second; on a CPU compiling is left out, it takes a minute."""
    modes = (None, "default", "reduce-overhead") if plan.device.type == "cuda" else (None,)
    return {
        f"{name} host.compile={mode or 'null'}": _small(plan, shape, mode)
        for name, shape in plan.small.items()
        for mode in modes
    }


def stacks(plan: Plan) -> dict[str, Any]:
    """Member steps a second; five rounds of each size."""
    on_gpu = plan.device.type == "cuda"
    shapes = stacking.GPU_SHAPES if on_gpu else {"1x12": stacking.SHAPES["1x12"]}
    sizes = (32, 128) if on_gpu else (2,)
    return {
        name: stacking.rates(shape, BF16_MIXED, sizes, plan.device, plan.seconds / 10)
        for name, shape in shapes.items()
    }


def _small(plan: Plan, shape: Shape, mode: str | None) -> dict[str, Any]:
    model = shape.model(plan.device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    step = partial(
        _step(model, optimiser, BF16_MIXED, mode), _tokens(shape, plan.device, shape.batch_size)
    )
    started = time.perf_counter()
    for _ in range(3):  # compiling, and recording graphs
        step()
    _wait(plan.device)
    first_seconds = time.perf_counter() - started
    return {
        "steps_per_second": _rate_of(step, plan),
        "first_three_steps_seconds": first_seconds,
        "peak_memory_bytes": _peak_memory(plan.device),
    }


def _step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    precision: Precision,
    mode: str | None = None,
) -> Callable[[Tensor], Tensor]:
    nats = compiled(token_nats, mode)

    def step(tokens_BL: Tensor) -> Tensor:
        with precision.active(tokens_BL.device.type):
            loss = nats(model, tokens_BL).mean()
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimiser.step()
        optimiser.zero_grad()
        return loss.detach()

    return step


def _rate_of(call: Callable[[], object], plan: Plan) -> float:
    """Calls a second, after three that do not count."""
    for _ in range(3):
        call()
    _wait(plan.device)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < plan.seconds:
        for _ in range(5):
            call()
        _wait(plan.device)
        count += 5
    return count / (time.perf_counter() - start)


def _matmul_flops_per_second(device: torch.device) -> float:
    size = 8192 if device.type == "cuda" else 512
    matrix = torch.randn(size, size, device=device).bfloat16()
    times = []
    for _ in range(20):
        _wait(device)
        start = time.perf_counter()
        matrix @ matrix
        _wait(device)
        times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times)


def _tokens(shape: Shape, device: torch.device, count: int) -> Tensor:
    task = Uniform(
        num_sequences=count, length=shape.length, vocab_size=shape.vocab_size,
        num_heldout_sequences=1,
    )  # fmt: skip
    return task.train(0).tokens(torch.arange(count, device=device))


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _peak_memory(device: torch.device) -> int | None:
    """Bytes since the last call, None on a CPU."""
    if device.type != "cuda":
        return None
    peak = torch.cuda.max_memory_allocated()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return peak


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


if __name__ == "__main__":
    main()
