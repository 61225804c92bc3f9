"""Training steps of 1.5b, GPT-2's shape at S=1024, and products in float8: parts of gpu.py.

Bare steps, without Lightning; the MFU is that of `rote.analysis.derived.mfu`. Without a GPU all
sizes are tiny.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rote.analysis.derived import peak_flops_per_second
from rote.config.build import build
from rote.config.compose import Composer
from rote.ledger.spec import Spec
from rote.models.count import (
    attention_flops_per_token,
    trainable_parameters,
    training_flops_per_token,
)
from rote.models.gpt import GPT
from rote.models.likelihood import token_nats
from rote.training.blocks import train_blocks
from rote.training.float8 import FORWARD, float8_product

Row = dict[str, Any]
Rows = Iterator[tuple[str, Row]]
IS_GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if IS_GPU else "cpu")
SECONDS = 4.0 if IS_GPU else 0.05  # of each measurement
COMPOSER = Composer()


@dataclass(frozen=True, kw_only=True)
class Large:
    """A training step of 1.5b; each field is an option that a row changes."""

    num_layers: int = 48 if IS_GPU else 1
    width: int = 1600 if IS_GPU else 32
    num_heads: int = 25 if IS_GPU else 2
    vocab_size: int = 50257 if IS_GPU else 64
    length: int = 1024 if IS_GPU else 16
    batch_size: int = 16 if IS_GPU else 2
    precision: str = "bf16_true"
    optim: str = "adamw"
    clip_norm: float | None = 1.0
    is_compiled: bool = IS_GPU  # blocks, as by host.compile=blocks


def device_name() -> str:
    """Return torch's name of the GPU, or "cpu"."""
    return torch.cuda.get_device_name() if IS_GPU else "cpu"


def large_batch(precision: str) -> Rows:
    """Batches of 8, 16 and 32 sequences."""
    for size in (8, 16, 32) if IS_GPU else (2,):
        try:
            row = large_row(Large(batch_size=size, precision=precision))
        except torch.OutOfMemoryError:
            row = {"is_out_of_memory": True}
        yield f"{precision} B={size}", row


def large_options() -> Rows:
    """bf16_true, B=16, compiled blocks, AdamW, clipping; each further row changes one of them."""
    base = Large()
    yield "base", large_row(base)
    yield "blocks not compiled", large_row(replace(base, is_compiled=False))
    yield "no clipping", large_row(replace(base, clip_norm=None))
    yield "Muon", large_row(replace(base, optim="muon"))
    vocab_size = 50304 if IS_GPU else 128  # instead of the head's padding
    yield f"vocabulary of {vocab_size}", large_row(replace(base, vocab_size=vocab_size))
    wide = replace(base, width=base.width * 24 // 25, num_heads=12) if IS_GPU else base
    yield "12 heads of 128", large_row(wide)


def large_row(options: Large) -> Row:
    """Tokens a second, MFU and peak memory of bare training steps, and the loss of the first."""
    gc.collect()  # compiled blocks hold each other
    if IS_GPU:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    what = spec_of(f"precision={options.precision}", f"optim={options.optim}").what
    precision = build(what["precision"])
    torch.manual_seed(0)
    with DEVICE:
        model = precision.cast(
            GPT(
                num_layers=options.num_layers, width=options.width, num_heads=options.num_heads,
                vocab_size=options.vocab_size, max_length=options.length,
            )
        )  # fmt: skip
        tokens_BL = torch.randint(options.vocab_size, (options.batch_size, options.length))
    train_blocks(model, compiled=options.is_compiled, recomputed=False)
    optimiser = build(what["optim"]["optimiser"])(list(model.named_parameters()))
    step = partial(_step, model, optimiser, precision, tokens_BL, options.clip_norm)
    first_loss_nats = float(step())
    seconds = seconds_of(step)
    rate = tokens_BL.numel() / statistics.median(seconds)
    peak = peak_flops_per_second(device_name())
    attention = attention_flops_per_token(model, options.length)
    flops = training_flops_per_token(model) + attention
    return {
        "parameters": trainable_parameters(model),
        "first_loss_nats": first_loss_nats,
        "tokens_per_second": rate,
        "least_step_seconds": min(seconds),
        "most_step_seconds": max(seconds),
        "mfu": rate * flops / peak if peak else None,
        "peak_memory_bytes": torch.cuda.max_memory_allocated() if IS_GPU else None,
    }


def _step(
    model: nn.Module, optimiser: torch.optim.Optimizer, precision: Any, tokens_BL: Tensor,
    clip_norm: float | None,
) -> Tensor:  # fmt: skip
    with precision.active(DEVICE.type):
        loss = token_nats(model, tokens_BL).mean()
        loss.backward()
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimiser.step()
    optimiser.zero_grad()
    return loss.detach()


def fp8() -> Rows:
    """Products of 8192 x 8192 in bfloat16 and in float8, rounding included; then 1.5b in fp8."""
    size = 8192 if IS_GPU else 64
    left, right = (torch.randn(size, size, device=DEVICE).bfloat16() for _ in range(2))
    products: dict[str, Callable[[], object]] = {
        "bfloat16 product": lambda: left @ right.t(),
        "float8 product": lambda: float8_product(left, right, FORWARD),
    }
    for name, product in products.items():
        yield name, {"flops_per_second": 2 * size**3 / statistics.median(seconds_of(product))}
    for is_compiled in (False, True) if IS_GPU else ():
        name = f"1.5b, blocks {'' if is_compiled else 'not '}compiled"
        yield name, large_row(Large(precision="fp8", is_compiled=is_compiled))


def spec_of(*overrides: str) -> Spec:
    return Spec.from_config(COMPOSER.config([*overrides, "log=none"]))


def seconds_of(call: Callable[[], object]) -> list[float]:
    """Return the seconds of each call, after three that do not count."""
    seconds: list[float] = []
    for number in range(1000):
        start = time.perf_counter()
        call()
        if IS_GPU:
            torch.cuda.synchronize()
        seconds += [time.perf_counter() - start] if number >= 3 else []
        if sum(seconds) > SECONDS:
            break
    return seconds
