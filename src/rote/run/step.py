"""Decide from its host how the optimiser steps of a run are computed; results stay the same."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from rote.config.build import build
from rote.config.host_and_log import AUTO, AUTO_PARAMETERS
from rote.ledger.spec import Spec
from rote.models.contracts import HasBlocks
from rote.precision import DTYPES, Precision
from rote.training.blocks import require_kernel
from rote.training.controls.combined import Controls
from rote.training.distributed import device_of
from rote.training.graphed import BLOCKS, GRAPH, require_mode
from rote.training.memory import ModelShape, StepMemory


def compile_mode(spec: Spec, parameters: int, *, device_type: str) -> str | None:
    """Return `host.compile`; auto is a graph on CUDA, up to the largest size that was timed.

    As with `host.stack: auto` the model has to be rote's own: another might refuse vmap. A graph
    takes no kernel of attention but math, so that one that is asked for excludes it.
    """
    host = spec.how["host"]
    mode: str | None = host["compile"]
    if mode != AUTO:
        return mode
    is_own = spec.what["model"]["_target_"].startswith("rote.")
    is_timed = device_type == "cuda" and parameters <= AUTO_PARAMETERS
    return GRAPH if is_own and is_timed and host.get("attention") is None else None


def require_step(spec: Spec, model: nn.Module, precision: Precision) -> None:
    """Raises ValueError for a mode of the compiler or a kernel that this run cannot have."""
    host = spec.how["host"]
    if host["compile"] != AUTO:
        require_mode(host["compile"])
    if host["compile"] == BLOCKS and not isinstance(model, HasBlocks):
        raise ValueError(
            f"host.compile=blocks needs a model with `blocks`, which {type(model).__name__} has "
            "not: choose another mode or null"
        )
    dtype = DTYPES[precision.autocast or precision.weights]
    require_kernel(host.get("attention"), device=device_of(host["accelerator"]), dtype=dtype)


def whole_step(
    spec: Spec,
    shape: ModelShape,
    precision: Precision,
    controls: Controls,
    *,
    batch_size: int,
    length: int,
    processes: int,
) -> StepMemory:
    """Return the step of each process that trains this run, before it is cut."""
    host = spec.how["host"]
    return StepMemory.of(
        shape,
        precision,
        batch_size=batch_size,
        length=length,
        device_type=device_of(host["accelerator"]).type,
        processes=processes,
        strategy=host["strategy"],
        microbatch_size=controls.microbatch_size,
    )


def limits_gib(spec: Spec) -> dict[str, float | None]:
    """Return the limits of `StepMemory.cut`; plans of earlier versions lack one."""
    host = spec.how["host"]
    return {name: host.get(name) for name in ("recompute_above_gib", "accumulate_above_gib")}


def try_optim(optim: Mapping[str, Any], max_steps: int) -> tuple[Optimizer, float]:
    """Try optimiser and schedule on two small weights, so that bad settings fail here.

    Returns that optimiser and how many values it keeps per weight, counted after a step. Raises
    ValueError.
    """
    weights = [("matrix", nn.Parameter(torch.zeros(8, 8))), ("bias", nn.Parameter(torch.zeros(2)))]
    try:
        optimiser = build(optim["optimiser"])(weights)
        build(optim["schedule"])(0, max_steps)
    except TypeError as error:
        raise ValueError(f"optim: {error}") from error
    clip_norm = optim["clip_norm"]
    if clip_norm is not None and not (isinstance(clip_norm, int | float) and clip_norm > 0):
        raise ValueError(f"optim.clip_norm must be null or a number above 0, got {clip_norm!r}")
    for _, weight in weights:
        weight.grad = torch.zeros_like(weight)
    optimiser.step()
    copies = _numel(optimiser.state_dict()) / sum(weight.numel() for _, weight in weights)
    return optimiser, copies


def _numel(state: Any) -> int:
    """Count the numbers in all tensors of a nested state, without scalars (counters)."""
    if isinstance(state, torch.Tensor):
        return state.numel() if state.ndim else 0
    if isinstance(state, Mapping):
        return sum(map(_numel, state.values()))
    return sum(map(_numel, state)) if isinstance(state, list | tuple) else 0
