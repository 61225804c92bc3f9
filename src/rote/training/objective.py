"""Compute the training loss and the plain cost of a batch in one pass of the model.

The cost of a token is its plain -ln p: curve, saturation and memorised bits use it alone, however
controls change the loss. Shapes: B sequences of all runs, L positions, V vocabulary.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from rote.models.likelihood import Model, nats_and_logits, token_nats
from rote.training import distributed


@runtime_checkable
class ChangesLoss(Protocol):
    """A control of the loss of each token; it needs all logits in memory."""

    def change_loss(self, loss_BL: Tensor, logits_BLV: Tensor, tokens_BL: Tensor) -> Tensor:
        """Return the loss to train on instead, [B, L]."""


@runtime_checkable
class WeighsTokens(Protocol):
    """A control of how much each token counts for the gradient."""

    def weights(self, tokens_BL: Tensor) -> Tensor:
        """Return weights from 0 (not learnt) to 1; float32 [B, L]."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Computes ``(model, tokens_BL) -> (trained_BL, nats_BL)`` for the tokens that count.

    The gradient is that of the mean of ``trained_BL``, which is weighted so that its mean is the
    mean over tokens that count. Both are the same tensor if no control changes anything.
    """

    losses: tuple[ChangesLoss, ...] = ()
    weighers: tuple[WeighsTokens, ...] = ()
    scored_from: int = 0  # earlier tokens are only read

    def of_tokens(
        self,
        model: Model,
        tokens_BL: Tensor,
        num_members: int = 1,
        weights_BL: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Compute both, with ``weights_BL`` if the tokens are a part of a batch."""
        if self.losses:
            nats_BL, logits_BLV = nats_and_logits(model, tokens_BL)
        else:
            nats_BL = token_nats(model, tokens_BL)
        trained_BL = nats_BL
        for control in self.losses:
            trained_BL = control.change_loss(trained_BL, logits_BLV, tokens_BL)
        if self.scored_from:
            trained_BL = trained_BL[:, self.scored_from :]
            nats_BL = nats_BL[:, self.scored_from :] if self.losses else trained_BL
        if weights_BL is None:
            weights_BL = self.weights(tokens_BL, num_members)
        return trained_BL if weights_BL is None else trained_BL * weights_BL, nats_BL

    def weights(self, tokens_BL: Tensor, num_members: int = 1) -> Tensor | None:
        """Return weights with mean 1 over each of ``num_members`` equal parts of all processes.

        They are 0 in a part of which no token counts; None: all tokens count alike.
        """
        if not self.weighers:
            return None
        weights_BL = torch.stack([one.weights(tokens_BL) for one in self.weighers]).prod(0)
        weights_BL = weights_BL[:, self.scored_from :]
        parts_KN = weights_BL.reshape(num_members, -1)
        means_K = distributed.mean_of_all(parts_KN.mean(1))
        least = 1 / parts_KN.shape[1]  # one token's weight, so that nothing is divided by zero
        return (parts_KN / means_K.clamp(min=least)[:, None]).view(weights_BL.shape)
