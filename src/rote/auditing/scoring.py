"""What is computed of a batch of rows: everything that takes a pass through a model.

Shapes: B rows of a batch, L positions.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rote.auditing.stages import StageImpossible
from rote.measures.extraction import last_wrong_positions
from rote.models.decoding import sequences_at_once
from rote.models.likelihood import token_nats
from rote.scores.documents import Documents
from rote.scores.forward import documents, moments
from rote.scores.gradient import gradient_norm
from rote.scores.least_likely import min_k, min_k_plus_plus

# ln p of all tokens, of the first ones, of those that extraction asks for.
LOG_P, BEGINNING_LOG_P, SUFFIX_LOG_P = "log_p", "beginning_log_p", "suffix_log_p"


@dataclass(frozen=True, kw_only=True)
class OnePass:
    """All that a single forward pass tells."""

    k_percent: int
    beginning_tokens: int  # ln p of so many first ones, to compare with when a prefix takes room
    suffix: tuple[int, int]  # ln p of these positions, of a document that has them

    def __call__(
        self, model: nn.Module, tokens_BL: Tensor, lengths_B: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Float64, in nats."""
        scored = documents(moments(model, tokens_BL), lengths_B)
        return {
            LOG_P: scored.log_likelihood_B,
            BEGINNING_LOG_P: _between(scored, 0, self.beginning_tokens),
            SUFFIX_LOG_P: _between(scored, *self.suffix),
            "min_k": min_k(scored, k_percent=self.k_percent),
            "min_k_plus_plus": min_k_plus_plus(scored, k_percent=self.k_percent),
        }


@dataclass(frozen=True, kw_only=True)
class LogLikelihood:
    """ln p of the tokens behind a prefix, given it."""

    prefix_tokens: int = 0

    @torch.inference_mode()
    def __call__(
        self, model: nn.Module, tokens_BL: Tensor, lengths_B: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Float64, in nats; ``lengths_B`` counts the prefix."""
        nats_BL = token_nats(model, tokens_BL).double().cpu().numpy()
        positions_L = np.arange(nats_BL.shape[1])
        is_behind_BL = (positions_L >= self.prefix_tokens) & (positions_L < lengths_B[:, None])
        log_p_B = -np.where(is_behind_BL, nats_BL, 0.0).sum(axis=1)
        if not np.isfinite(log_p_B).all():
            raise ValueError("a model gives no finite probability to a document")
        return {LOG_P: log_p_B}


def gradient(model: nn.Module, tokens_BL: Tensor, lengths_B: np.ndarray) -> dict[str, np.ndarray]:
    """Minus the norm of the loss's gradient over all weights."""
    try:
        return {"gradient_norm": gradient_norm(model, tokens_BL, lengths_B)}
    except torch.OutOfMemoryError as error:
        raise StageImpossible("the memory does not hold the gradients of all weights") from error
    except ValueError as error:
        raise StageImpossible(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class Continued:
    """Whether greedy continuation of the first tokens gives the rest."""

    prefix_tokens: int
    vocab_size: int

    def __call__(
        self, model: nn.Module, tokens_BL: Tensor, lengths_B: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Rows are of one length."""
        at_once = sequences_at_once(model, length=tokens_BL.shape[1], vocab_size=self.vocab_size)
        last_wrong = [
            last_wrong_positions(model, part_BL, self.prefix_tokens, self.prefix_tokens).cpu()
            for part_BL in torch.split(tokens_BL, at_once)
        ]
        return {"extracted": (torch.cat(last_wrong) < self.prefix_tokens).numpy()}


def _between(scored: Documents, begin: int, end: int) -> np.ndarray:
    """ln p of the tokens at these positions, where a document has some there."""
    positions_L = np.arange(scored.log_p_BL.shape[1])
    chosen_BL = scored.inside_BL & (positions_L >= begin) & (positions_L < end)
    return np.asarray(np.where(chosen_BL, scored.log_p_BL, 0.0).sum(axis=1))
