"""Exact parameter counts; embeddings counted, the tied one once."""

from torch import nn


def embedding_parameters(model: nn.Module) -> int:
    """Of tokens and positions: what the other convention leaves out (Kaplan et al. 2020)."""
    tables = (module for module in model.modules() if isinstance(module, nn.Embedding))
    weights = {id(one): one.numel() for table in tables for one in table.parameters()}
    return sum(weights.values())
