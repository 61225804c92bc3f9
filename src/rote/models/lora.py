"""Add LoRA adapters to a model: its weights are frozen, adapters of low rank train beside them.

Source: Hu et al. 2021 (arXiv 2106.09685). Shapes: B batch, L positions, I inputs and O outputs of a
linear layer, R rank.
"""

import math
from collections.abc import Callable, Collection
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.core.checks import require_positive, require_whole
from rote.io.outputs import below, outputs_folder
from rote.io.write import sha256_of_file
from rote.models.contracts import HasBlocks
from rote.models.stored_weights import stored_weights

WEIGHTS = "model.safetensors"


class AdaptedLinear(nn.Module):
    """Computes W x + b + alpha / R B A x; A [R, I] and B [O, R] train, and B is 0 at the start."""

    def __init__(self, linear: nn.Linear, *, rank: int, alpha: float) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.scale = alpha / rank
        self.adapter_in = nn.Parameter(torch.empty(rank, linear.in_features))
        self.adapter_out = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.adapter_in, a=math.sqrt(5))  # as the authors' code

    def forward(self, inputs_BLI: Tensor) -> Tensor:
        """[B, L, I] -> [B, L, O]."""
        base_BLO = functional.linear(inputs_BLI, self.weight, self.bias)
        inner_BLR = functional.linear(inputs_BLI, self.adapter_in)
        return base_BLO + self.scale * functional.linear(inner_BLR, self.adapter_out)


def lora(
    *,
    base: Callable[..., nn.Module],
    rank: int,
    alpha: float,
    layers: Collection[str] | None,
    modules_to_save: Collection[str],
    base_seed: int | None,
    base_run: str | None,
    base_sha256: str | None,
    vocab_size: int,
    max_length: int,
) -> nn.Module:
    """Return the model that ``base`` builds, frozen, with adapters on linear layers of its blocks.

    P is R times the sum of I + O over these layers, those that ``layers`` names or all, plus the
    modules of the base that ``modules_to_save`` names, which train whole (PEFT's term). The base is
    drawn from ``base_seed``, whatever the run's seed, or has the weights of ``base_run``, whose
    digest is ``base_sha256``. Raises ValueError for numbers out of range, names that no layer
    has, and weights that are missing, changed, or those of another model.
    """
    require_whole("model.rank", rank, 1)
    require_positive("model.alpha", alpha)
    if (base_seed is None) == (base_run is None):
        raise ValueError("give one of model.base_seed and model.base_run, and null for the other")
    if base_run is None:
        require_whole("model.base_seed", base_seed, 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(base_seed or 0)
        model = base(vocab_size=vocab_size, max_length=max_length)
    if base_run is not None:
        path = below(outputs_folder() / "runs", "model.base_run", base_run) / WEIGHTS
        _load(model, path, digest=base_sha256)
    model.requires_grad_(False)
    children = dict(model.named_children())
    for name in modules_to_save:
        if name not in children:
            raise ValueError(
                f"model.modules_to_save: {type(model).__name__} has no {name!r}, choose from "
                f"{sorted(children)}"
            )
        children[name].requires_grad_(True)
    _adapt(model, layers, rank=rank, alpha=alpha)
    return model


def _load(model: nn.Module, path: Path, *, digest: str | None) -> None:
    """Check the file and copy its weights; a model on the meta device is only checked."""
    if not path.exists():
        raise ValueError(f"model.base_run: there is no {path}")
    if sha256_of_file(path) != digest:
        raise ValueError(f"model.base_run: {path} is not what model.base_sha256={digest} names")
    own = model.state_dict()
    with stored_weights([path]) as stored:
        for name in sorted(own.keys() | stored.shapes.keys()):
            has = tuple(own[name].shape) if name in own else None
            held = stored.shapes.get(name)
            if has != held:
                raise ValueError(
                    f"model.base_run: {path} does not fit model.base with this task: {name} is "
                    f"{_shape_words(held)} in the file and {_shape_words(has)} in the model"
                )
        if any(weight.is_meta for weight in own.values()):
            return
        for name, weight in own.items():
            weight.copy_(stored.by_name[name][...])


def _adapt(model: nn.Module, layers: Collection[str] | None, *, rank: int, alpha: float) -> None:
    """Replace each linear layer of these names by one with an adapter, in place."""
    inside = model.blocks if isinstance(model, HasBlocks) else model
    linear = {name: one for name, one in inside.named_modules() if isinstance(one, nn.Linear)}
    names = sorted({name.rpartition(".")[2] for name in linear})
    unknown = sorted(set(names if layers is None else layers) - set(names))
    if unknown or not names or layers == []:
        raise ValueError(
            f"model.layers={layers}: choose from the linear layers of {type(model).__name__}'s "
            f"blocks, {names}"
        )
    for name, one in linear.items():
        parent, _, own = name.rpartition(".")
        if layers is None or own in layers:
            adapted = AdaptedLinear(one, rank=rank, alpha=alpha)
            setattr(inside.get_submodule(parent), own, adapted)


def _shape_words(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else f"of shape {list(shape)}"
