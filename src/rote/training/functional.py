"""Run one model with several sets of weights in one pass, and take per-sequence gradients.

Both use `torch.func.vmap`; the model needs no changes. Shapes: K sets of weights, B sequences of
each, L positions, b sequences whose own gradients are taken at once.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from rote.models.likelihood import Model
from rote.training.objective import Objective


def stacked_model(
    template: nn.Module, weights: Mapping[str, Tensor], *, num_sets: int, randomness: str = "error"
) -> Model:
    """Return a model that maps [K * B, L] -> [K * B, L, V], set after set.

    Weights have a leading axis of sets. ``randomness`` is vmap's: whether dropout may draw,
    "different" for each set.
    """

    def one(of_set: Mapping[str, Tensor], inputs_BL: Tensor) -> Tensor:
        return functional_call(template, dict(of_set), (inputs_BL,))

    def logits(inputs_BL: Tensor) -> Tensor:
        inputs_KBL = inputs_BL.view(num_sets, -1, inputs_BL.shape[1])
        # Fused kernels do not support vmap: a CPU's would be called in a loop, and the backward
        # pass of CUDA's raises "LSE is not correctly aligned" (torch 2.11, H100).
        with sdpa_kernel(SDPBackend.MATH):
            return vmap(one, randomness=randomness)(weights, inputs_KBL).flatten(0, 1)

    return logits


def stacked_weights(models: Sequence[nn.Module], names: Iterable[str]) -> dict[str, Tensor]:
    """Return copies of these weights with an axis of models in front."""
    named = [dict(model.named_parameters()) for model in models]
    return {name: torch.stack([weights[name].detach() for weights in named]) for name in names}


def per_sample_gradients(
    model: nn.Module, tokens_bL: Tensor, objective: Objective
) -> tuple[dict[str, Tensor], Tensor]:
    """Return gradients of every sequence's loss, [b, ...] by parameter, and its mean nats, [b].

    Each sequence gets its own view of the weights, without a copy, and one backward pass computes
    their gradients: 1.5 to 2 times as fast as vmap over grad for models of up to 100,000
    parameters.
    """
    logits, moved = with_own_weights(model, len(tokens_bL))
    trained_bL, nats_bL = objective.of_tokens(logits, tokens_bL, len(tokens_bL))
    gradients = torch.autograd.grad(
        trained_bL.mean(dim=1).sum(), list(moved.values()), materialize_grads=True
    )
    return dict(zip(moved, gradients, strict=True)), nats_bL.detach().mean(dim=1)


def with_own_weights(model: nn.Module, number: int) -> tuple[Model, dict[str, Tensor]]:
    """Return a model with views of its weights for each sequence, and the views that train."""
    own = {
        name: weight.detach().expand(number, *weight.shape).requires_grad_(weight.requires_grad)
        for name, weight in model.named_parameters()
    }
    logits = stacked_model(model, own, num_sets=number, randomness="different")
    return logits, {name: weight for name, weight in own.items() if weight.requires_grad}
