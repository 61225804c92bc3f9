"""Exact parameter counts; embeddings counted, the tied one once."""

from torch import nn


def embedding_parameters(model: nn.Module) -> int:
    """Of tokens and positions: what the other convention leaves out (Kaplan et al. 2020)."""
    tables = (module for module in model.modules() if isinstance(module, nn.Embedding))
    weights = {id(table.weight): table.weight.numel() for table in tables}
    return sum(weights.values())
