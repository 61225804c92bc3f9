"""Round a linear layer's weights column by column, later columns compensating errors (GPTQ).

Source: Frantar et al. 2022 (arXiv 2210.17323), algorithm 1; a group's grid is set when its first
column is reached. It applies to `torch.nn.Linear`; other matrices, such as the embedding, are
rounded to nearest. Shapes: B sequences, L positions, R outputs, C inputs, N positions of a batch.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from rote.models.likelihood import logits_in_chunks, started
from rote.models.quantise import Integers, matrices, replaced, rounded_weights, set_weights

DAMPING = 0.01  # share of the Hessian's mean diagonal that is added to it (section 3.3)

Batches = Callable[[], Iterable[Tensor]]  # of tokens [B, L], the same at each call


@torch.no_grad()
def gptq_weights(model: nn.Module, form: Integers, batches: Batches) -> dict[str, Tensor]:
    """Return every matrix of ``model`` in this format, by name; the model is unchanged afterwards.

    Layers go in the order in which they first run. The inputs of each come from a model whose
    earlier layers and embedding are already rounded. Each layer takes a pass over ``batches``.
    """
    weights = rounded_weights(model, form)
    linears = _linears(model, batches)
    named = dict(model.named_parameters())
    unrounded = {name: named[name].data for name in linears}
    with replaced(model, weights | unrounded):
        for name, layer in linears.items():
            hessian_CC = _hessian(model, layer, batches)
            weights[name] = gptq(layer.weight, hessian_CC, form)
            set_weights(named, {name: weights[name]})
    return weights


@torch.no_grad()
def gptq(weight_RC: Tensor, hessian_CC: Tensor, form: Integers) -> Tensor:
    """Return the weight in this format, [R, C] in its own dtype.

    ``hessian_CC`` is a multiple of the sum of x x^T over inputs x. The weights of an input that is
    always 0 are rounded to nearest. Computed in float64.
    """
    left_RC, hessian_CC = weight_RC.double(), hessian_CC.double().clone()
    columns = weight_RC.shape[1]
    size = form.group_size or columns
    diagonal_C = hessian_CC.diagonal()
    diagonal_C += torch.where(diagonal_C == 0, 1.0, DAMPING * diagonal_C.mean())
    inverse_CC = torch.cholesky_inverse(torch.linalg.cholesky(hessian_CC))
    upper_CC = torch.linalg.cholesky(inverse_CC, upper=True)
    rounded_RC = torch.empty_like(left_RC)
    for column in range(columns):
        if column % size == 0:
            scale_R1, zero_R1 = form.grid(left_RC[:, column : column + size])
        value_R1 = left_RC[:, column : column + 1]
        rounded_R1 = form.snapped(value_R1, scale_R1, zero_R1)
        error_R1 = (value_R1 - rounded_R1) / upper_CC[column, column]
        left_RC = left_RC - error_R1 * upper_CC[column]  # upper: earlier columns have 0 there
        rounded_RC[:, column : column + 1] = rounded_R1
    return rounded_RC.to(weight_RC.dtype)


def _linears(model: nn.Module, batches: Batches) -> dict[str, nn.Linear]:
    """Return layers with a weight of their own, by its name, in the order of their first run."""
    tables = {id(one.weight) for one in model.modules() if isinstance(one, nn.Embedding)}
    names = {id(weight): name for name, weight in matrices(model).items()}
    order: dict[str, nn.Linear] = {}

    def note(layer: nn.Module, *_: object) -> None:
        assert isinstance(layer, nn.Linear)
        order.setdefault(names[id(layer.weight)], layer)

    with ExitStack() as hooks:
        for module in model.modules():
            if isinstance(module, nn.Linear) and id(module.weight) not in tables:
                hooks.enter_context(module.register_forward_pre_hook(note))
        _run(model, next(iter(batches()))[:1])
    return order


def _hessian(model: nn.Module, layer: nn.Linear, batches: Batches) -> Tensor:
    """Return the sum of x x^T over all inputs x of a layer, float64 [C, C]."""
    shape, device = (layer.in_features, layer.in_features), layer.weight.device
    hessian_CC = torch.zeros(shape, dtype=torch.float64, device=device)

    def add(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        inputs_NC = inputs[0].flatten(0, -2).double()
        hessian_CC.add_(inputs_NC.T @ inputs_NC)

    with layer.register_forward_pre_hook(add):
        for tokens_BL in batches():
            _run(model, tokens_BL)
    return hessian_CC


def _run(model: nn.Module, tokens_BL: Tensor) -> None:
    for _ in logits_in_chunks(model, started(model, tokens_BL[:, :-1])):
        pass
