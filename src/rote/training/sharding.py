"""Shard one model over processes: weights, gradients and optimiser state in equal parts.

Each process holds its rows of every weight (torch's FSDP2) and gathers a block to compute it.
Source: Zhao et al. 2023 (arXiv 2304.11277).
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from rote.models.contracts import HasBlocks, HasHead
from rote.training.distributed import rank

# A sum of bfloat16 gradients over processes would lose precision that each process has.
POLICY = MixedPrecisionPolicy(reduce_dtype=torch.float32)


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Shard ``model`` in place, block by block; weights outside of blocks are gathered once.

    Raises ValueError for a model without ``blocks``.
    """
    if not isinstance(model, HasBlocks):
        raise ValueError("host.strategy=fsdp needs a model with `blocks`; use ddp")
    for block in model.blocks:
        fully_shard(block, mesh=mesh, mp_policy=POLICY)
    fully_shard(model, mesh=mesh, mp_policy=POLICY)
    if isinstance(model, HasHead):
        register_fsdp_forward_method(model, "hidden")


def outline(model: nn.Module) -> nn.Module:
    """Return a copy without values: it takes no memory and stays unsharded."""
    hollow = {id(one): nn.Parameter(one.to("meta")) for one in model.parameters()}
    return copy.deepcopy(model, hollow)


def whole(model: nn.Module, hollow: nn.Module) -> nn.Module:
    """Return ``hollow`` with the weights of ``model``, on rank 0's CPU; all ranks must call it."""
    weights = gathered(model.state_dict())
    if rank() == 0:
        hollow.load_state_dict(weights, assign=True)
    return hollow


def gathered(state: Any) -> Any:
    """Return nested ``state`` with whole tensors on rank 0, and None for them on other ranks.

    All ranks must call it together. Unsharded values stay as they are, so checkpoints of one
    process and of many look the same.
    """
    if isinstance(state, DTensor):
        full = state.full_tensor()
        return full.cpu() if rank() == 0 else None
    if isinstance(state, Mapping):
        return {key: gathered(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(gathered(value) for value in state)
    return state


def load_weights(model: nn.Module, saved: Mapping[str, Tensor]) -> None:
    """Load whole tensors; each process keeps its part."""
    own = model.state_dict()
    model.load_state_dict({name: _part(saved[name], own[name]) for name in saved})


def load_optimiser(optimiser: Optimizer, saved: Mapping[str, Any]) -> None:
    """Load whole tensors; each process keeps its part of those shaped like a weight."""
    optimiser.load_state_dict(dict(saved))
    for part in getattr(optimiser, "parts", (optimiser,)):  # of a `rote.optim.pair.Pair`
        for weight, state in part.state.items():
            for name, value in state.items():
                if isinstance(value, Tensor) and value.shape == weight.shape:
                    state[name] = _part(value, weight)


def _part(tensor: Tensor, like: Tensor) -> Tensor:
    if not isinstance(like, DTensor):
        return tensor
    # Every process has read the whole tensor, so nothing is sent.
    return distribute_tensor(
        tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None
    )
