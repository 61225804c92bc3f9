"""Compute the results of passes through a model, and membership scores from stored results.

Membership scores: higher = member. Shapes: B rows of a batch, L positions, D documents of both
sets, T tokens of all of them, S references, V vocabulary, F features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rote.auditing.stages import OF_TOKENS, StageImpossible
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
from rote.scores.quantile import FEWEST, above_quantile
from rote.scores.shadow_models import Shadows, lira_offline, offline_prior, rmia
from rote.scores.token_frequency import dc_pdd
from rote.scores.token_shifts import error_zone, window_votes

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
    shift_nats_T: Floats | None  # ln p of each token less that under the first reference
    is_greedy_T: np.ndarray | None  # bool: no other token is likelier
    features_DF: Floats  # of documents, without any model: length, rarity, compressed bytes
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
    return made | _beside_others(passes)


def _beside_others(passes: Passes) -> dict[str, Floats]:
    """Return scores that need references or known non-members.

    They are per token, so that long documents do not saturate them.
    """
    made: dict[str, Floats] = {}
    num_references = len(passes.references_SD)
    aside_D = passes.aside_D
    log_p_D = passes.log_p_D / passes.lengths_D
    log_p_SD = passes.references_SD / passes.lengths_D
    if passes.shift_nats_T is not None and passes.is_greedy_T is not None:
        made["ez"] = error_zone(passes.shift_nats_T, passes.is_greedy_T, passes.lengths_D)
        made["wbc"] = window_votes(passes.shift_nats_T, passes.lengths_D)
    if aside_D.sum() >= FEWEST:
        known = log_p_D[aside_D], passes.features_DF[aside_D]
        made["quantile"] = above_quantile(log_p_D, passes.features_DF, *known)
    if num_references and aside_D.any():
        prior_D = offline_prior(_untrained(log_p_SD), a=RMIA_A)
        known = log_p_D[aside_D], prior_D[aside_D]
        made["rmia"] = rmia(log_p_D, prior_D, *known, gamma=RMIA_GAMMA)
    if num_references >= FEWEST_FOR_LIRA:
        made["lira"] = lira_offline(log_p_D, _untrained(log_p_SD), fixed_variance=True)
    return made


def _untrained(log_p_SD: Floats) -> Shadows:
    return Shadows(log_p_SB=log_p_SD, trained_SB=np.zeros(log_p_SD.shape, dtype=np.bool_))
