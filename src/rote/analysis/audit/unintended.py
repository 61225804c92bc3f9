"""mem_U of members and of non-members under each reference: what only training explains.

Non-members are the control: what the model knows better of them than the reference does is skill.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from rote.analysis.estimate import Estimate
from rote.analysis.quantities.unintended import max_code_bits, mean_max_code, mixture_code_bits
from rote.auditing.stored import MEMBER, NONMEMBER, REFERENCE_PREFIX, StoredAudit


@dataclass(frozen=True, kw_only=True)
class SideUnintended:
    """Of one side."""

    num_documents: int
    max_code_bits: float  # sum
    mixture_code_bits: float  # sum
    mean_bits: Estimate  # by the max code, a document


@dataclass(frozen=True, kw_only=True)
class UnderReference:
    """Of both sides."""

    reference: str
    name: str  # of the model
    members: SideUnintended
    nonmembers: SideUnintended


def under_references(stored: StoredAudit) -> list[UnderReference]:
    """All documents that were not set aside, an entry for each reference."""
    evaluated = stored.scores.filter(~pl.col("aside"))
    found = []
    for reference in stored.facts["references"]:
        column = f"{REFERENCE_PREFIX}{reference['score']}"
        document_sets = {
            document_set: _of_side(evaluated.filter(pl.col("set") == document_set), column)
            for document_set in (MEMBER, NONMEMBER)
        }
        found.append(
            UnderReference(
                reference=reference["score"],
                name=reference["name"],
                members=document_sets[MEMBER],
                nonmembers=document_sets[NONMEMBER],
            )
        )
    return found


def _of_side(documents: pl.DataFrame, column: str) -> SideUnintended:
    target, reference = documents["code_bits"].to_numpy(), documents[column].to_numpy()
    bits = max_code_bits(target, reference)
    return SideUnintended(
        num_documents=len(bits),
        max_code_bits=float(np.sum(bits)),
        mixture_code_bits=float(np.sum(mixture_code_bits(target, reference))),
        mean_bits=mean_max_code(bits, reference),
    )
