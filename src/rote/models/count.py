"""Count exactly a model's parameters, the tied embedding once, and from them the FLOPs of a token.

A parameter costs a token 2 FLOPs forwards, a multiplication and an addition, 2 for the gradient of
what it reads and 2 for its own (Kaplan et al. 2020, arXiv 2001.08361, section 2.1); attention
scores are left out.
"""

from collections.abc import Iterable, Iterator

from torch import Tensor, nn

from rote.models.contracts import HasActiveParameters, HasAttentionWidth, HasBlocks, HasPasses


def named_trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Return the parameters that an optimiser updates, in the model's order."""
    return ((name, one) for name, one in model.named_parameters() if one.requires_grad)


def trainable_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters, the denominator of bits per parameter."""
    return _numel(one for _, one in named_trainable(model))


def frozen_parameters(model: nn.Module) -> int:
    """Return the number of parameters that training leaves unchanged."""
    return _numel(one for one in model.parameters() if not one.requires_grad)


def embedding_parameters(model: nn.Module) -> int:
    """Count trainable embeddings of tokens and positions, which Kaplan et al. 2020 leave out."""
    tables = (module for module in model.modules() if isinstance(module, nn.Embedding))
    weights = {id(one): one for table in tables for one in table.parameters()}
    return _numel(one for one in weights.values() if one.requires_grad)


def num_passes(model: nn.Module) -> int:
    """Count a token's passes through blocks, repeated ones too; 0 for a model without blocks."""
    return len(_passes(model))


def attention_flops_per_token(model: nn.Module, length: int) -> float:
    """Return the FLOPs of attention scores that a token of training costs: 12 L d S.

    L layers, as often as a token passes them; d heads times their width; S the ``length`` of a
    sequence in tokens, as if every position saw all others (Chowdhery et al. 2022, arXiv
    2204.02311, appendix B). 0 for a model without attention: a recurrent state's FLOPs do not
    count.
    """
    layers = [layer for block in _passes(model) for layer in block.modules()]
    widths = [layer.attention_width for layer in layers if isinstance(layer, HasAttentionWidth)]
    return 12.0 * sum(widths) * length


def forward_flops_per_token(model: nn.Module) -> float:
    """Return two FLOPs for each parameter, as often as a token passes it."""
    return 2.0 * _used(model, trainable_only=False)


def training_flops_per_token(model: nn.Module) -> float:
    """Return six FLOPs for each parameter that a token passes, four for a frozen one."""
    trained = _used(model, trainable_only=True)
    return 4.0 * _used(model, trainable_only=False) + 2.0 * trained


def unusual_counts(model: nn.Module) -> dict[str, float]:
    """Return what a record needs beside P; empty if all parameters train and run once.

    ``total_parameters`` where some are frozen, ``active_parameters`` where a token uses a part, and
    FLOPs of a token where they are not 2 P forwards and 6 P in training.
    """
    counts: dict[str, float] = {}
    parameters = trainable_parameters(model)
    if frozen := frozen_parameters(model):
        counts["total_parameters"] = parameters + frozen
    if isinstance(model, HasActiveParameters):
        counts["active_parameters"] = model.active_parameters
    forward = forward_flops_per_token(model)
    if forward != 2 * parameters:
        counts["forward_flops_per_token"] = forward
        counts["flops_per_token"] = training_flops_per_token(model)
    return counts


def _passes(model: nn.Module) -> list[nn.Module]:
    """Return a model's blocks in the order in which a token passes them, repeated ones too."""
    if isinstance(model, HasPasses):
        return list(model.passes())
    return list(model.blocks) if isinstance(model, HasBlocks) else []


def _used(model: nn.Module, *, trainable_only: bool) -> int:
    """Count the parameters that one token passes, as often as it does."""

    def of(modules: Iterable[nn.Module]) -> int:
        weights = (one for module in modules for one in module.parameters())
        return _numel(one for one in weights if one.requires_grad or not trainable_only)

    idle = 0
    if isinstance(model, HasActiveParameters):
        idle = sum(one.numel() for one in model.parameters()) - model.active_parameters
    if trainable_only and frozen_parameters(model):
        idle = 0  # experts hold no adapters
    again = of(model.passes()) - of(model.blocks) if isinstance(model, HasPasses) else 0
    return of([model]) - idle + again


def _numel(weights: Iterable[Tensor]) -> int:
    return sum(one.numel() for one in weights)
