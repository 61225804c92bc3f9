"""Membership scores of every document, from what the passes stored; higher = member.

Shapes: D documents of both sides, S references.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rote.scores.compression import zlib_bytes
from rote.scores.contrast import lowercase, neighbourhood, recall, reference
from rote.scores.documents import Floats, Integers
from rote.scores.lira import lira_offline
from rote.scores.rmia import offline_prior, rmia
from rote.scores.shadows import Shadows

# What a reference is to the model's own p is not known: p without the document is taken as it is
# (a = 1), and a document counts as more surprising than another at any excess (gamma = 1).
RMIA_A, RMIA_GAMMA = 1.0, 1.0
FEWEST_FOR_LIRA = 2  # references that agree on a spread


@dataclass(frozen=True, kw_only=True)
class Passes:
    """ln p of whole documents, nats, and what else passes gave; NaN where none was made."""

    lengths_D: Integers
    log_p_D: Floats
    beginning_log_p_D: Floats  # of the tokens that fit behind the prefix
    single: Mapping[str, Floats]  # scores that are ready
    texts: Sequence[str] | None
    lowered: tuple[Floats, Integers] | None  # ln p and lengths of the lower-cased documents
    behind_prefix: tuple[Floats, Integers] | None  # ln p and lengths of beginnings behind a prefix
    neighbours_DW: Floats | None  # nats per token
    references_SD: Floats  # ln p under each reference
    aside_D: np.ndarray  # bool: set aside, not evaluated


def membership_scores(passes: Passes, names: Sequence[str]) -> dict[str, Floats]:
    """Each score that can be made, [D]; ``names`` are those of the references."""
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
    """Per token, so that long documents do not saturate them."""
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
