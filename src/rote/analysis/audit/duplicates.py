"""Relate leakage to the number of duplicates, for suites that say how often a text was inserted.

Members of each number are ranked against all non-members, on the half that the verdict is judged
on. What a model saves on a document over a reference, such as the standard model of a pair, is
compared document by document. Shapes: K documents of one number.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.audit.verdicts import NUM_RESAMPLES, MembershipVerdict, evaluation_half
from rote.analysis.estimate import Estimate, Rate, plural
from rote.analysis.estimators import bootstrap, rate, student_interval
from rote.analysis.page import Section, Text
from rote.analysis.quantities.membership import FEWEST, membership_quality
from rote.analysis.table import Column, Table
from rote.auditing.stored import DUPLICATES, MEMBER, REFERENCE_PREFIX, SCORE_PREFIX, StoredAudit
from rote.core.arrays import Floats

WORDS = (
    "AUROC: members inserted so often against all non-members, by the score of the verdict, on the "
    "half that it is judged on. Bits saved: code length of a document under the reference less "
    "that under the audited model, in bits, the mean of these differences. Where the reference is "
    "the standard model of a pair (Wei et al. 2025, arXiv 2510.19811), it is what the insertions "
    "alone made; 0 duplicates are the control."
)


@dataclass(frozen=True, kw_only=True)
class AtDuplicates:
    """What a model gives away of the documents that were inserted so often."""

    duplicates: int  # 0: the non-members
    num_documents: int
    auroc: Estimate | None  # None for non-members, and for fewer than `FEWEST` members of the half
    extracted: Rate | None  # None if no document was tried
    saved_bits: Mapping[str, Estimate]  # bits a document, for each reference


def by_duplicates(stored: StoredAudit, found: MembershipVerdict) -> list[AtDuplicates]:
    """Return a row for each number of duplicates, ascending; none if it is not known."""
    if DUPLICATES not in stored.scores.columns:
        return []
    evaluated = stored.scores.filter(~pl.col("aside"))
    judged = evaluation_half(evaluated, seed=stored.facts["settings"]["seed"])
    return [
        _at(number, evaluated.filter(duplicates=number), judged, stored, found.score)
        for number in sorted(evaluated[DUPLICATES].unique())
    ]


def _at(
    number: int, documents: pl.DataFrame, judged: pl.DataFrame, stored: StoredAudit, score: str
) -> AtDuplicates:
    column, seed = SCORE_PREFIX + score, stored.facts["settings"]["seed"]
    members = judged.filter(pl.col("set") == MEMBER, duplicates=number)[column].to_numpy()
    others = judged.filter(pl.col("set") != MEMBER)[column].to_numpy()
    quality = None
    if min(len(members), len(others)) >= FEWEST:
        quality = membership_quality(members, others, seed=seed, num_resamples=NUM_RESAMPLES)
    tried = documents["extracted"].drop_nulls()
    return AtDuplicates(
        duplicates=number,
        num_documents=documents.height,
        auroc=None if quality is None else quality.auroc,
        extracted=rate(int(tried.sum()), len(tried)) if len(tried) else None,
        saved_bits={
            each["score"]: paired_mean(
                (documents[REFERENCE_PREFIX + each["score"]] - documents["code_bits"]).to_numpy(),
                seed=seed,
            )
            for each in stored.facts["references"]
        },
    )


def paired_mean(differences_K: Floats, *, seed: int) -> Estimate:
    """Estimate the mean of differences of pairs by a bootstrap that spans Student's t as well."""
    number, value = len(differences_K), float(differences_K.mean())
    closed = student_interval(differences_K)
    if closed is None:
        return Estimate.of(value, None, n=number, method="bootstrap", why_none="no spread")
    places = np.random.default_rng(seed).integers(number, size=(NUM_RESAMPLES, number))
    return bootstrap(value, differences_K[places].mean(axis=1), n=number, at_least=closed)


def headline(rows: Sequence[AtDuplicates]) -> Iterator[str]:
    """Say how well the least and the most duplicated members are told from non-members."""
    parts = [
        f"{each.auroc.words('{:.3f}', label='95 % interval')} of those inserted "
        f"{plural(each.duplicates, 'time')}"
        for each in rows
        if each.auroc
    ]
    if parts:
        yield f"duplicates: AUROC {', '.join(dict.fromkeys([parts[0], parts[-1]]))}."


def section(rows: Sequence[AtDuplicates], facts: Mapping[str, Any]) -> Section:
    """Build the table of the page."""
    columns = [
        Column("duplicates", "duplicates", unit="0: non-members"),
        Column("documents", "num_documents"),
        Column("AUROC", lambda row: row.auroc, unit="95 % interval", form="{:.3f}"),
        Column("given back", lambda row: row.extracted, unit="95 % interval", form="{:.2%}"),
        *(
            Column(f"saved over {each['name']}", partial(_saved, each["score"]),
                   unit="bits a document, 95 % interval", form="{:.2f}")
            for each in facts["references"]
        ),
    ]  # fmt: skip
    return Section("By number of duplicates", [Text(WORDS), Table(columns=columns, rows=rows)])


def _saved(reference: str, row: AtDuplicates) -> Estimate:
    return row.saved_bits[reference]
