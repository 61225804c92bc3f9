"""Compute the results of passes through a model, and membership scores from stored results.

Membership scores: higher = member. Shapes: B rows of a batch, L positions, D documents of both
sets, S references.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rote.auditing.stages import StageImpossible
from rote.measures.extraction import last_wrong_positions
from rote.models.decoder import sequences_at_once
from rote.models.likelihood import token_nats
from rote.scores.documents import Documents, Floats, Integers
from rote.scores.forward import documents, moments
from rote.scores.gradient import gradient_norm
from rote.scores.likelihood import (
    lowercase,
    min_k,
    min_k_plus_plus,
    neighbourhood,
    recall,
    reference,
    zlib_bytes,
)
from rote.scores.shadow_models import Shadows, lira_offline, offline_prior, rmia

# ln p of all tokens, of the first ones, and of the suffix for extraction.
LOG_P, BEGINNING_LOG_P, SUFFIX_LOG_P = "log_p", "beginning_log_p", "suffix_log_p"


@dataclass(frozen=True, kw_only=True)
class OnePass:
    """All scores of a single forward pass."""

    k_percent: int
    beginning_tokens: int  # length of the beginning that is compared with the one after a prefix
    suffix: tuple[int, int]  # ln p of these positions, if a document has them

    def __call__(
        self, model: nn.Module, tokens_BL: Tensor, lengths_B: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return float64 scores, ln p in nats."""
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
    """ln p of the tokens after a prefix, given the prefix."""

    prefix_tokens: int = 0

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
        return {LOG_P: log_p_B}


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


# The relation of a reference to the model's own p is unknown: p without the document is used as it
# is (a = 1), and any excess makes a document more surprising than another (gamma = 1).
RMIA_A, RMIA_GAMMA = 1.0, 1.0
FEWEST_FOR_LIRA = 2  # references, to estimate a spread


@dataclass(frozen=True, kw_only=True)
class Passes:
    """ln p of whole documents in nats, and other results of passes; NaN if not computed."""

    lengths_D: Integers
    log_p_D: Floats
    beginning_log_p_D: Floats  # of the tokens that fit after the prefix
    single: Mapping[str, Floats]  # finished scores
    texts: Sequence[str] | None
    lowered: tuple[Floats, Integers] | None  # ln p and lengths of the lower-cased documents
    behind_prefix: tuple[Floats, Integers] | None  # ln p and lengths of beginnings after a prefix
    neighbours_DW: Floats | None  # nats per token
    references_SD: Floats  # ln p under each reference
    aside_D: np.ndarray  # bool: set aside, not evaluated


def membership_scores(passes: Passes, names: Sequence[str]) -> dict[str, Floats]:
    """Return each score that can be computed, [D]; ``names`` are those of the references."""
    nats_D = -passes.log_p_D / passes.lengths_D
    made = {"loss": -nats_D}
    if passes.texts is not None:
        sizes_D = zlib_bytes([text.encode() for text in passes.texts])
        made["zlib"] = -nats_D / sizes_D
    made |= passes.single
    if passes.lowered is not None:
        log_p_D, lengths_D = passes.lowered
        made["lowercase"] = lowercase(nats_D, -log_p_D / lengths_D)
    if passes.behind_prefix is not None:
        log_p_D, lengths_D = passes.behind_prefix
        alone_D = -passes.beginning_log_p_D / lengths_D
        made["recall"] = recall(alone_D, -log_p_D / lengths_D)
    if passes.neighbours_DW is not None:
        made["neighbourhood"] = neighbourhood(nats_D, passes.neighbours_DW)
    for name, log_p_D in zip(names, passes.references_SD, strict=True):
        made[name] = reference(nats_D, -log_p_D / passes.lengths_D)
    return made | _with_references(passes)


def _with_references(passes: Passes) -> dict[str, Floats]:
    """Return scores per token, so that long documents do not saturate them."""
    made: dict[str, Floats] = {}
    num_references = len(passes.references_SD)
    log_p_D = passes.log_p_D / passes.lengths_D
    log_p_SD = passes.references_SD / passes.lengths_D
    if num_references and passes.aside_D.any():
        prior_D = offline_prior(_untrained(log_p_SD), a=RMIA_A)
        aside = passes.aside_D
        made["rmia"] = rmia(log_p_D, prior_D, log_p_D[aside], prior_D[aside], gamma=RMIA_GAMMA)
    if num_references >= FEWEST_FOR_LIRA:
        made["lira"] = lira_offline(log_p_D, _untrained(log_p_SD), fixed_variance=True)
    return made


def _untrained(log_p_SD: Floats) -> Shadows:
    return Shadows(log_p_SB=log_p_SD, trained_SB=np.zeros(log_p_SD.shape, dtype=np.bool_))
