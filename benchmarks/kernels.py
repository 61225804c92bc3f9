"""Training steps with our kernels beside torch's own: `python benchmarks/kernels.py`.

Each round times every way once, a step each, in processor time of one thread: whatever else a
machine does hits all of them. "nanoGPT" is our GPT with what nanoGPT calls: torch's attention, GELU
(the exact one, which is cheaper than GPT-2's), cross-entropy, clipping. As a processor without
AVX-512 runs it, with ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 set. Results of each kind
go into benchmarks/results/kernels.json.
"""

import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import stacking  # beside this script
import torch
from contestants import PRECISIONS
from torch import Tensor, nn
from torch.nn import functional

from rote.core.process import keep_freed_memory
from rote.core.provenance import provenance
from rote.models import attention, gpt, likelihood
from rote.models.likelihood import token_nats
from rote.training import module

SHAPES = stacking.SHAPES | {"535k": (8, 64, 2, 2048, 64, 16), "1.86m": (8, 128, 4, 2048, 64, 16)}
ROUNDS = {"1x12": 400, "1x20": 400, "80k": 100, "535k": 60, "1.86m": 30}
BF16_ROUNDS = 6  # without AVX-512, where a step of bfloat16 takes ten times as long
RESULTS = Path(__file__).parent / "results" / "kernels.json"


def _torch_gelu(inputs: Tensor) -> Tensor:
    return functional.gelu(inputs, approximate="tanh")


def _torch_cross_entropy(logits_NV: Tensor, tokens_N: Tensor) -> Tensor:
    return functional.cross_entropy(logits_NV.float(), tokens_N, reduction="none")


FUSED = (attention, "_attend", attention._fused)
CROSS_ENTROPY = (likelihood, "cross_entropy", _torch_cross_entropy)
WAYS: dict[str, tuple[tuple[object, str, Callable[..., object]], ...]] = {
    "ours": (),
    "attention written out": ((attention, "_attend", attention._written_out),),
    "torch's attention": (FUSED,),
    "torch's GELU": ((gpt, "gelu", _torch_gelu),),
    "torch's cross-entropy": (CROSS_ENTROPY,),
    "nanoGPT": (
        FUSED, CROSS_ENTROPY, (gpt, "gelu", functional.gelu),
        (module, "_clip", nn.utils.clip_grad_norm_),
    ),
}  # fmt: skip


def main() -> None:
    """Every shape in both formats; a line each, ratios within a round."""
    torch.set_num_threads(1)
    keep_freed_memory()
    kind = torch.backends.cpu.get_cpu_capability()
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    cells = {}
    for name, precision in itertools.product(SHAPES, PRECISIONS):
        slow = precision == "bf16_mixed" and kind != "AVX512"
        rounds = _rounds(name, precision, BF16_ROUNDS if slow else ROUNDS[name])
        cells[f"{name} {precision}"] = {
            "milliseconds": statistics.median(row["ours"] for row in rounds) * 1e3,
            "others_over_ours": {
                way: statistics.median(row[way] / row["ours"] for row in rounds) for way in WAYS
            },
        }
        sys.stdout.write(f"{kind} {name} {precision}: {json.dumps(cells[f'{name} {precision}'])}\n")
        sys.stdout.flush()
    result |= {kind: {"cells": cells, "provenance": provenance()}}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


def _rounds(name: str, precision: str, count: int) -> list[dict[str, float]]:
    """In another order each: what a way leaves in the caches met one other way 3 % of its step."""
    steps = {way: _steps(SHAPES[name], precision, way) for way in WAYS}
    order, draw, rows = list(WAYS), random.Random(0), []
    for _ in range(count + 3):
        draw.shuffle(order)
        rows.append({way: next(steps[way]) for way in order})
    return rows[3:]


def _steps(shape: tuple[int, ...], precision: str, way: str) -> Iterator[float]:
    """Processor seconds of one step after the other, as `rote.training.module` takes them."""
    (model,) = stacking.models(shape, 1, torch.device("cpu"))
    tokens_BL = stacking.batch(shape, 1, torch.device("cpu"))[0]
    optimiser, weights = stacking.adamw(model.named_parameters()), list(model.parameters())
    while True:
        with ExitStack() as patches:
            for owner, kernel, instead in WAYS[way]:
                patches.enter_context(patch.object(owner, kernel, instead))
            start = time.process_time()
            with PRECISIONS[precision].active("cpu"):
                token_nats(model, tokens_BL).mean().backward()
            gradients = [one.grad for one in weights if one.grad is not None]
            clipped: list[torch.Tensor] = [*weights] if way == "nanoGPT" else gradients
            module._clip(clipped, stacking.CLIP_NORM)
            optimiser.step()
            optimiser.zero_grad()
            seconds = time.process_time() - start
        yield seconds


if __name__ == "__main__":
    main()
