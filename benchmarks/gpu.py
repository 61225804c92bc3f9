"""Speed on a GPU, part by part: `python benchmarks/gpu.py [product] [stacks] [finish] [large]`.

Product: steps a second of `rote train` with 80k and 535k, as it is and with recorded steps. Stacks:
run steps a second of the same sizes trained as one and one at a time. Finish: whole training
sets' losses and gradients a second, as they are and recorded. Large: 1.5b at S=1024,
plain and with compiled blocks: tokens a second, share of the matrix-product rate, memory. On a GPU
writes what was measured into benchmarks/results/gpu.json; on a CPU the same code runs tiny and
prints only.
"""

import gc
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stacking  # beside this script
import torch
from torch import Tensor, nn

from rote.config.build import build
from rote.config.compose import Composer
from rote.core.provenance import provenance
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.precision import Precision
from rote.run.assembly import make_training_run
from rote.run.execute import execute
from rote.tasks.uniform import Uniform
from rote.training.finish.evaluation import FullBatch, flat
from rote.training.graphed import GRAPH
from rote.training.training_run import CheckpointPolicy

BF16_MIXED = Precision(name="bf16_mixed", weights="float32", autocast="bfloat16", matmul="highest")
BF16_TRUE = Precision(name="bf16_true", weights="bfloat16", autocast=None, matmul="highest")
CLIP_NORM = 1.0
RESULTS = Path(__file__).parent / "results" / "gpu.json"


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
    small: dict[str, Shape]
    seconds: float  # of each measurement
    product_steps: int

    @classmethod
    def on_gpu(cls) -> "Plan":
        """Sized for one GPU of 80 GB or more."""
        return cls(
            device=torch.device("cuda"),
            large=Shape(num_layers=48, width=1600, num_heads=25, vocab_size=50257, length=1024,
                        batch_size=16),
            small={
                "80k": Shape(num_layers=1, width=32, num_heads=1, vocab_size=2048, length=64,
                              batch_size=64),
                "535k": Shape(num_layers=8, width=64, num_heads=2, vocab_size=2048, length=64,
                              batch_size=64),
            },
            seconds=4.0,
            product_steps=300,
        )  # fmt: skip

    @classmethod
    def on_cpu(cls) -> "Plan":
        """The same code in seconds, to see that it runs."""
        tiny = Shape(num_layers=1, width=16, num_heads=2, vocab_size=64, length=16, batch_size=16)
        return cls(
            device=torch.device("cpu"), large=tiny, small={"tiny": tiny}, seconds=0.5,
            product_steps=50,
        )  # fmt: skip


def main(asked: list[str]) -> None:
    """Part after part; each is written down at once, and those that were not asked for stay."""
    plan = Plan.on_gpu() if torch.cuda.is_available() else Plan.on_cpu()
    on_gpu = plan.device.type == "cuda"
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() and on_gpu else {}
    for part in (product, stacks, finish, large):
        if asked and part.__name__ not in asked:
            continue
        started = time.time()
        made = {**part(plan), "seconds": time.time() - started, "device": _name(plan.device)}
        sys.stdout.write(json.dumps({part.__name__: made}, indent=1) + "\n")
        sys.stdout.flush()
        result |= {part.__name__: made, "provenance": provenance()}
        if on_gpu:
            RESULTS.write_text(json.dumps(result, indent=1) + "\n")


def product(plan: Plan) -> dict[str, Any]:
    """Steps a second of `rote train`: Lightning, schedule, data order, a look every 100 steps."""
    return {
        f"{name} host.compile={mode}": {"steps_per_second": _product(plan, shape, mode)}
        for name, shape in plan.small.items()
        for mode in ("null", "graph")
    }


def _product(plan: Plan, shape: Shape, mode: str) -> float:
    """From the training time of two runs, so that what happens once is left out.

    A run before them warms the device up: with it in the first, a rate came out below zero.
    """
    seconds = []
    for steps in (100, 100, 100 + plan.product_steps):
        spec = Spec.from_config(Composer().config([
            f"size.num_layers={shape.num_layers}", f"size.width={shape.width}",
            f"size.num_heads={shape.num_heads}", f"task.vocab_size={shape.vocab_size}",
            f"task.length={shape.length}", "task.num_sequences=1024", "precision=bf16_mixed",
            f"budget.max_steps={steps}", f"budget.batch_size={shape.batch_size}",
            f"budget.saturation.min_steps={steps}", "optim=adamw", "log=none",
            f"host.compile={mode}",
        ]))  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder))
            execute(spec, store)
            seconds.append(store.run(spec.run_id).circumstances()["train_seconds"])
    return plan.product_steps / (seconds[2] - seconds[1])


def stacks(plan: Plan) -> dict[str, Any]:
    """Member steps a second; five rounds of each size."""
    on_gpu = plan.device.type == "cuda"
    shapes = stacking.GPU_SHAPES if on_gpu else {"1x12": stacking.SHAPES["1x12"]}
    sizes = (32, 128) if on_gpu else (2,)
    modes = (None, GRAPH) if on_gpu else (None,)
    return {
        name: stacking.rates(shape, BF16_MIXED, sizes, plan.device, plan.seconds / 10, modes)
        for name, shape in shapes.items()
    }


def finish(plan: Plan) -> dict[str, Any]:
    """Evaluations a second of runs together, each of a set of 4.5 bits a parameter."""
    runs = {"80k": 3, "535k": 1} if plan.device.type == "cuda" else {"tiny": 2}
    return {
        f"{count} x {name} host.compile={mode}": _finish(plan, plan.small[name], count, mode)
        for name, count in runs.items()
        for mode in ("null", "graph")
    }


def _finish(plan: Plan, shape: Shape, count: int, mode: str) -> dict[str, float]:
    """And the largest relative difference from the first gradient, of one point evaluated again."""
    checkpointing = CheckpointPolicy(
        save=lambda step, state: None, stop=lambda: False, every_seconds=None
    )
    bits = shape.length * math.log2(shape.vocab_size)
    number = math.ceil(4.5 * _parameters(shape.model(torch.device("cpu"))) / bits)
    runs = []
    for seed in range(count):
        spec = Spec.from_config(Composer().config([
            f"size.num_layers={shape.num_layers}", f"size.width={shape.width}",
            f"size.num_heads={shape.num_heads}", f"task.vocab_size={shape.vocab_size}",
            f"task.length={shape.length}", f"task.num_sequences={number}", f"seed={seed}",
            "budget/finish=lbfgs", f"host.compile={mode}",
        ]))  # fmt: skip
        task = build(spec.what["task"])
        runs.append(
            make_training_run(
                spec, task, on_row=lambda row: None, checkpointing=checkpointing, resume=None
            )
        )
        runs[-1].model.to(plan.device)
    full = FullBatch(runs, plan.device)
    points = [flat(one.model) for one in runs]
    first = full(points)
    rate = _rate_of(lambda: full(points), plan)
    again = full(points)
    norms = [
        float(torch.linalg.vector_norm(b - a) / torch.linalg.vector_norm(a))
        for (_, a), (_, b) in zip(first, again, strict=True)
    ]
    return {"evaluations_per_second": rate, "num_sequences": number, "difference": max(norms)}


def large(plan: Plan) -> dict[str, Any]:
    """Two formats, each plain and with compiled blocks."""
    rate = _matmul_flops_per_second(plan.device)
    ways = (False, True) if plan.device.type == "cuda" else (False,)
    return {
        "matmul_flops_per_second": rate,
        **{
            f"{precision.name}{', compiled blocks' if way else ''}": _large(
                plan, precision, rate, way
            )
            for precision in (BF16_MIXED, BF16_TRUE)
            for way in ways
        },
    }


def _large(plan: Plan, precision: Precision, rate: float, are_compiled: bool) -> dict[str, Any]:
    """Model FLOPs a token: 6 P + 12 x layers x width x length (Chowdhery et al. 2022)."""
    gc.collect()  # compiled blocks hold each other
    torch.cuda.empty_cache()
    shape = plan.large
    model = precision.cast(shape.model(plan.device))
    if are_compiled:  # one block is compiled, all run it
        for block in model.blocks:
            block.compile()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    tokens_BL = _tokens(shape, plan.device, shape.batch_size)
    step = _step(model, optimiser, precision)
    tokens_per_second = tokens_BL.numel() * _rate_of(lambda: step(tokens_BL), plan)
    attention = 12 * shape.num_layers * shape.width * shape.length
    flops = tokens_per_second * (6 * _parameters(model) + attention)
    return {
        "parameters": _parameters(model),
        "batch_size": shape.batch_size,
        "tokens_per_second": tokens_per_second,
        "model_flops_per_second": flops,
        "share_of_matmul_rate": flops / rate,
        "peak_memory_bytes": _peak_memory(plan.device),
    }


def _step(
    model: nn.Module, optimiser: torch.optim.Optimizer, precision: Precision
) -> Callable[[Tensor], Tensor]:
    def step(tokens_BL: Tensor) -> Tensor:
        with precision.active(tokens_BL.device.type):
            loss = token_nats(model, tokens_BL).mean()
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
    main(sys.argv[1:])
