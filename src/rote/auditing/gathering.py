"""Combine the results of all stages into a stored audit: a table of documents, and facts.

Shapes: D documents of both sets, T tried for extraction, S references.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import numpy as np
import polars as pl

from rote.auditing.corpus import Corpus
from rote.auditing.membership import FEWEST_FOR_LIRA, MembershipScores, Passed
from rote.auditing.passes import EXTRACTION, FORWARD, Stages
from rote.auditing.request import AuditRequest
from rote.auditing.scoring import SUFFIX_LOG_P
from rote.auditing.stored import (
    DUPLICATES,
    MEMBER,
    NONMEMBER,
    REFERENCE_PREFIX,
    SCORE_PREFIX,
    StoredAudit,
)
from rote.auditing.targets import AuditTarget
from rote.core.units import bits_from_nats
from rote.scores.quantile import FEWEST
from rote.tasks.occurrences import Occurrences

PACKAGES = ("rote", "torch", "transformers", "tokenizers", "numpy")


@dataclass(frozen=True, kw_only=True)
class GatheredScores:
    """The results of the stages, by name."""

    passed: Mapping[str, Passed]
    skipped: Mapping[str, str]
    parameters: Sequence[int]  # of the target, then of each reference
    unused: Sequence[Sequence[str]]  # stored weights that do not affect each model's output
    canaries: Mapping[str, np.ndarray] | None


def stored_of(
    question: AuditRequest, digests: Mapping[str, Any], stages: Stages, gathered: GatheredScores
) -> StoredAudit:
    """Return the audit to store; scores of set-aside documents are null if not computed."""
    names = reference_names(question.references)
    return StoredAudit(
        scores=_table(stages, gathered, names),
        facts=_facts(question, digests, stages, gathered, names),
        canaries=gathered.canaries,
    )


def reference_names(references: Sequence[AuditTarget]) -> list[str]:
    """Return the names of the references' scores; a single one needs no number."""
    if len(references) == 1:
        return ["reference"]
    return [f"reference_{number}" for number in range(1, len(references) + 1)]


def _table(stages: Stages, gathered: GatheredScores, names: Sequence[str]) -> pl.DataFrame:
    corpus = stages.corpus
    found = MembershipScores(stages, gathered.passed)
    document_sets = (corpus.members, corpus.nonmembers)
    columns = {
        "set": np.where(corpus.is_member_D, MEMBER, NONMEMBER),
        "line": np.concatenate([document_set.lines_D for document_set in document_sets]),
        "tokens": found.lengths_D,
        "aside": corpus.aside_D,
        "code_bits": bits_from_nats(-found.log_p_D),
    }
    for name, log_p_D in zip(names, found.references_SD, strict=True):
        columns[f"{REFERENCE_PREFIX}{name}"] = bits_from_nats(-log_p_D)
    for name, values_D in found.computed(names).items():
        columns[f"{SCORE_PREFIX}{name}"] = values_D
    columns["blind"] = found.blind()
    if corpus.counts_D is not None:
        columns[DUPLICATES] = corpus.counts_D
    table = pl.DataFrame(columns).with_columns(pl.col(pl.Float64).fill_nan(None))
    return table.with_columns(**_extracted(stages, gathered))


def _extracted(stages: Stages, gathered: GatheredScores) -> dict[str, pl.Series]:
    """Return columns that are null for documents on which extraction was not tried."""
    log_p: dict[int, float] = {}
    extracted: dict[int, bool] = {}
    held: dict[int, int] = {}
    if EXTRACTION in gathered.passed:
        tried, found_T = stages.tried, gathered.passed[EXTRACTION]["extracted"]
        suffix_log_p_D = gathered.passed[FORWARD][SUFFIX_LOG_P]
        log_p = {place: float(suffix_log_p_D[place]) for place in tried.tolist()}
        extracted = dict(zip(tried.tolist(), found_T.tolist(), strict=True))
        places = tried[found_T].tolist()
        held = dict(zip(places, _holding(stages, places), strict=True))
    rows = range(len(stages.corpus.aside_D))
    return {
        "suffix_log_p": pl.Series([log_p.get(row) for row in rows], dtype=pl.Float64),
        "extracted": pl.Series([extracted.get(row) for row in rows], dtype=pl.Boolean),
        "suffix_documents": pl.Series([held.get(row) for row in rows], dtype=pl.Int64),
    }


def _holding(stages: Stages, places: Sequence[int]) -> list[int]:
    """Count the member documents, with duplicates, that contain each extracted suffix."""
    if not places:
        return []
    tokens, settings = stages.corpus.tokens, stages.settings
    whole = (each.tolist() for each in stages.corpus.members.whole)
    members = Occurrences.of_tokens(whole, vocab_size=stages.target.vocab_size)
    suffix = slice(settings.prefix_tokens, settings.extraction_tokens)
    return [members.count_tokens(tokens[place][suffix].tolist()).documents for place in places]


def _facts(
    question: AuditRequest,
    digests: Mapping[str, Any],
    stages: Stages,
    gathered: GatheredScores,
    names: Sequence[str],
) -> dict[str, Any]:
    corpus, settings = stages.corpus, question.settings
    models = [
        _model_facts(target, number, unused)
        for target, number, unused in zip(
            (question.target, *question.references),
            gathered.parameters,
            gathered.unused,
            strict=True,
        )
    ]
    return {
        "model": models[0],
        "references": [
            {"score": name, **facts} for name, facts in zip(names, models[1:], strict=True)
        ],
        "members": {"file": question.members.name, **corpus.members.counts()},
        "nonmembers": {"file": question.nonmembers.name, **corpus.nonmembers.counts()},
        "suite": None if question.suite is None else question.suite.name,
        "canaries": None if question.canaries is None else {"file": question.canaries.name},
        "aside": int(corpus.aside_D.sum()),
        "is_text": corpus.texts is not None,
        "max_tokens": corpus.max_tokens,
        "prefix_of_recall_tokens": len(stages.prefix),
        "settings": asdict(settings),
        "skipped": dict(gathered.skipped) | _needing_others(len(names), corpus),
        "digests": dict(digests),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _needing_others(number: int, corpus: Corpus) -> dict[str, str]:
    reasons = {}
    if not number:
        reasons = dict.fromkeys(("reference", "ez", "wbc", "rmia"), "no --reference")
    elif not corpus.aside_D.any():
        reasons["rmia"] = "no non-members were set aside"
    if number < FEWEST_FOR_LIRA:
        reasons["lira"] = f"takes {FEWEST_FOR_LIRA} references or more"
    if corpus.aside_D.sum() < FEWEST:
        reasons["quantile"] = f"takes {FEWEST} non-members set aside"
    return reasons


def _model_facts(target: AuditTarget, parameters: int, unused: Sequence[str]) -> dict[str, Any]:
    return {
        "name": target.name,
        "kind": target.kind,
        "parameters": parameters,
        "vocab_size": target.vocab_size,
        "max_length": target.max_length,
        "start_token": target.start_token,
        "start_token_note": target.note,
        "unused_weights": list(unused),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
