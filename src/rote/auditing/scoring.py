"""Compute the results of passes through a model, for a batch of rows.

Shapes: B rows of a batch, L positions, V vocabulary.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rote.auditing.stages import OF_TOKENS, StageImpossible
from rote.measures.extraction import last_wrong_positions
from rote.models.decoder import sequences_at_once
from rote.models.likelihood import token_nats
from rote.scores.documents import Documents, Integers
from rote.scores.forward import documents, moments
from rote.scores.gradient import gradient_norm
from rote.scores.likelihood import min_k, min_k_plus_plus
from rote.scores.token_frequency import dc_pdd

# ln p of all tokens, of the first ones, and of the suffix for extraction.
LOG_P, BEGINNING_LOG_P, SUFFIX_LOG_P = "log_p", "beginning_log_p", "suffix_log_p"
TOKEN_LOG_P, TOKEN_IS_GREEDY = f"{OF_TOKENS}log_p", f"{OF_TOKENS}is_greedy"


@dataclass(frozen=True, kw_only=True)
class OnePass:
    """All scores of a single forward pass."""

    k_percent: int
    beginning_tokens: int  # length of the beginning that is compared with the one after a prefix
    suffix: tuple[int, int]  # ln p of these positions, if a document has them
    counts_V: Integers  # of the tokens of all documents
    keeps_tokens: bool  # for scores that set single tokens against a reference

    def __call__(
        self, model: nn.Module, tokens_BL: Tensor, lengths_B: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return float64 scores, ln p in nats; of single tokens ln p in float32."""
        found = moments(model, tokens_BL)
        scored = documents(found, lengths_B)
        padded = zip(tokens_BL.cpu().numpy(), lengths_B, strict=True)
        tokens = [row[:length] for row, length in padded]
        of_tokens = {
            TOKEN_LOG_P: found.log_p_BL.cpu().numpy(),
            TOKEN_IS_GREEDY: found.is_greedy_BL.cpu().numpy(),
        }
        return {
            LOG_P: scored.log_likelihood_B,
            BEGINNING_LOG_P: _between(scored, 0, self.beginning_tokens),
            SUFFIX_LOG_P: _between(scored, *self.suffix),
            "min_k": min_k(scored, k_percent=self.k_percent),
            "min_k_plus_plus": min_k_plus_plus(scored, k_percent=self.k_percent),
            "dc_pdd": dc_pdd(scored, tokens, self.counts_V),
            **(of_tokens if self.keeps_tokens else {}),
        }


@dataclass(frozen=True, kw_only=True)
class LogLikelihood:
    """ln p of the tokens after a prefix, given the prefix."""

    prefix_tokens: int = 0
    keeps_tokens: bool = False  # ln p of single tokens too, float32

    @torch.inference_mode()
    def __call__(
        self, model: nn.Module, tokens_BL: Tensor, lengths_B: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return float64 values in nats; ``lengths_B`` includes the prefix."""
        nats_BL = token_nats(model, tokens_BL).double().cpu().numpy()
        positions_L = np.arange(nats_BL.shape[1])
        is_behind_BL = (positions_L >= self.prefix_tokens) & (positions_L < lengths_B[:, None])
        log_p_B = -np.where(is_behind_BL, nats_BL, 0.0).sum(axis=1)
        if not np.isfinite(log_p_B).all():
            raise ValueError("a model gives no finite probability to a document")
        of_tokens = {TOKEN_LOG_P: -nats_BL.astype(np.float32)} if self.keeps_tokens else {}
        return {LOG_P: log_p_B, **of_tokens}


def gradient(model: nn.Module, tokens_BL: Tensor, lengths_B: np.ndarray) -> dict[str, np.ndarray]:
    """Return minus the norm of the loss's gradient over all weights."""
    try:
        return {"gradient_norm": gradient_norm(model, tokens_BL, lengths_B)}
    except torch.OutOfMemoryError as error:
        raise StageImpossible("the memory does not hold the gradients of all weights") from error
    except ValueError as error:
        raise StageImpossible(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class Continued:
    """Whether greedy continuation of the first tokens reproduces the rest."""

    prefix_tokens: int
    vocab_size: int

    def __call__(
        self, model: nn.Module, tokens_BL: Tensor, lengths_B: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return one bool per row; all rows have the same length."""
        at_once = sequences_at_once(model, length=tokens_BL.shape[1], vocab_size=self.vocab_size)
        last_wrong = [
            last_wrong_positions(model, part_BL, self.prefix_tokens, self.prefix_tokens).cpu()
            for part_BL in torch.split(tokens_BL, at_once)
        ]
        return {"extracted": (torch.cat(last_wrong) < self.prefix_tokens).numpy()}


def _between(scored: Documents, begin: int, end: int) -> np.ndarray:
    """Return ln p of the tokens at these positions, as far as a document has them."""
    positions_L = np.arange(scored.log_p_BL.shape[1])
    chosen_BL = scored.inside_BL & (positions_L >= begin) & (positions_L < end)
    return np.asarray(np.where(chosen_BL, scored.log_p_BL, 0.0).sum(axis=1))
