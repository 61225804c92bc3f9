"""Score a document by the gradient norm of its loss (Nasr et al. 2019, arXiv 1812.00910).

One L2 norm over all weights together; mimir (2402.07841) averages the norms of single weights.
"""

import numpy as np
import torch
from torch import Tensor, nn

from rote.models.likelihood import token_nats
from rote.scores.documents import Floats, Integers


def gradient_norm(model: nn.Module, tokens_BL: Tensor, lengths_B: Integers) -> Floats:
    """Return minus the L2 norm, over all trained weights, of the gradient of the mean loss; [B].

    Runs one backward pass per document: the kernels of `rote.models` offer no batched gradients.
    The model's own gradients stay as they are. Raises ValueError for a model without trainable
    weights and for a gradient that is not finite.
    """
    weights: list[Tensor] = [weight for weight in model.parameters() if weight.requires_grad]
    if not weights:
        raise ValueError("the gradient norm needs a model with weights that can be trained")
    norms = [
        _norm(model, weights, tokens_BL[row : row + 1, :length])
        for row, length in enumerate(lengths_B.tolist())
    ]
    if not np.isfinite(norms).all():
        row = int(np.flatnonzero(~np.isfinite(norms))[0])
        raise ValueError(f"document {row}: the gradient of its loss is not finite")
    return -np.array(norms)


def _norm(model: nn.Module, weights: list[Tensor], tokens_1L: Tensor) -> float:
    with torch.enable_grad():
        mean_nats = token_nats(model, tokens_1L).mean()
        gradients = torch.autograd.grad(mean_nats, weights, allow_unused=True)
    squares = [each.double().square().sum() for each in gradients if each is not None]
    return float(torch.stack(squares).sum().sqrt())
