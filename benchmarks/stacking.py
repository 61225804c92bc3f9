"""Steps a second of models trained as one stack, beside one at a time.

`python benchmarks/stacking.py`: each round times every stack size in turn; a rate counts the steps
of all runs together. Writes benchmarks/results/stacking.json for this machine; benchmarks/gpu.py
has the same on a GPU.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rote.core.provenance import provenance
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.precision import Precision
from rote.training.stack import Stack

FP32 = Precision(name="fp32", weights="float32", autocast=None, matmul="highest")
MIXED = Precision(name="bf16_mixed", weights="float32", autocast="bfloat16", matmul="highest")
SHAPES = {  # layers, width, heads, V, S, batch
    "1x12": (1, 12, 1, 64, 16, 32),
    "1x20": (1, 20, 1, 64, 16, 32),
    "80k": (1, 32, 1, 2048, 64, 16),
}
GPU_SHAPES = {"80k": (1, 32, 1, 2048, 64, 64), "535k": (8, 64, 2, 2048, 64, 64)}
CLIP_NORM = 1.0
ROUNDS = 5


def rates(
    shape: Sequence[int], precision: Precision, sizes: Sequence[int], device: torch.device,
    seconds: float, modes: Sequence[str | None] = (None,),
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Member steps a second for each stack size: median, least and most over the rounds.

    ``modes`` are those of `host.compile`, for stacks.
    """
    steps = {"one at a time": (1, alone(shape, precision, device))}
    steps |= {
        f"stack of {size}" + (f", compiled: {mode}" if mode else ""): (
            size, stacked(shape, precision, size, device, mode),
        )
        for size in sizes
        for mode in modes
    }  # fmt: skip
    seen: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, (size, step) in steps.items():
            seen[name].append(size * rate(step, device, seconds))
    return {
        name: {"median": statistics.median(each), "least": min(each), "most": max(each)}
        for name, each in seen.items()
    }


def alone(shape: Sequence[int], precision: Precision, device: torch.device) -> Callable[[], object]:
    """A whole step of one model."""
    (model,), tokens = models(shape, 1, device), batch(shape, 1, device)[0]
    optimiser = adamw(model.named_parameters())

    def step() -> None:
        with precision.active(device.type):
            token_nats(model, tokens).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimiser.step()
        optimiser.zero_grad()

    return step


def stacked(
    shape: Sequence[int], precision: Precision, size: int, device: torch.device, mode: str | None
) -> Callable[[], object]:
    """The same for a stack."""
    stack = Stack(
        models=models(shape, size, device), optimisers=[adamw] * size, clip_norm=CLIP_NORM,
        precision=precision, compile_mode=mode,
    )  # fmt: skip
    return partial(stack.step, batch(shape, size, device), torch.ones(size, device=device))


def adamw(named: Any) -> torch.optim.AdamW:
    """As conf/optim/adamw.yaml."""
    return torch.optim.AdamW([one for _, one in named], lr=1e-3, betas=(0.9, 0.99), fused=True)


def models(shape: Sequence[int], number: int, device: torch.device) -> list[GPT]:
    """Different weights, one shape."""
    layers, width, heads, vocab_size, length, _ = shape
    torch.manual_seed(0)
    with device:
        return [
            GPT(num_layers=layers, width=width, num_heads=heads, vocab_size=vocab_size,
                max_length=length) for _ in range(number)
        ]  # fmt: skip


def batch(shape: Sequence[int], number: int, device: torch.device) -> torch.Tensor:
    """Tokens, [K, B, L]."""
    *_, vocab_size, length, size = shape
    return torch.randint(vocab_size, (number, size, length), device=device)


def rate(step: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Calls a second, after one that does not count."""
    count, start = -1, 0.0
    while count < 1 or time.perf_counter() - start < seconds:
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        count += 1
        if not count:
            start = time.perf_counter()
    return count / (time.perf_counter() - start)


def main() -> None:
    """On this machine's processor, one thread."""
    torch.set_num_threads(1)
    device = torch.device("cpu")
    result: dict[str, Any] = {
        f"{name} {precision.name}": rates(shape, precision, (4, 8, 16), device, 0.5)
        for name, shape in SHAPES.items()
        for precision in (FP32, MIXED)
    }
    text = json.dumps({"member_steps_per_second": result, "provenance": provenance()}, indent=1)
    (Path(__file__).parent / "results" / "stacking.json").write_text(text + "\n")
    for name, row in result.items():
        base = row["one at a time"]["median"]
        told = ", ".join(f"{way} {each['median'] / base:.2f}" for way, each in row.items())
        sys.stdout.write(f"{name}: {base:.0f} steps/s one at a time; {told}\n")


if __name__ == "__main__":
    main()
