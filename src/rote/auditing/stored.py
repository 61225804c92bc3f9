"""Store the results of an audit: scores per document, facts, canaries; no text, no torch.

scores.parquet  a row per document: set (member, nonmember), line, tokens, aside, code_bits, one
                column ``score.x`` for each score, ``reference.x`` with code lengths in bits,
                ``blind``; null if extraction was not tried: ``suffix_log_p``, ln p of the suffix
                to extract, and ``extracted``; if that is true, ``suffix_documents``, the number of
                member documents that contain the extracted suffix
facts.json      models, digests, settings, counts of left-out documents, versions
canaries.npz    the arrays of `rote.measures.exposure`, if there were canaries
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rote.io.arrays import packed
from rote.io.write import write_bytes, write_json

SCORES, FACTS, CANARIES = "scores.parquet", "facts.json", "canaries.npz"
SCORE_PREFIX, REFERENCE_PREFIX = "score.", "reference."
MEMBER, NONMEMBER = "member", "nonmember"


@dataclass(frozen=True, kw_only=True)
class StoredAudit:
    """The scores, facts and canaries of an audit."""

    scores: pl.DataFrame
    facts: Mapping[str, Any]
    canaries: Mapping[str, np.ndarray] | None

    @property
    def score_names(self) -> list[str]:
        """Return the names of the scores in the order of computation."""
        return [
            name.removeprefix(SCORE_PREFIX)
            for name in self.scores.columns
            if name.startswith(SCORE_PREFIX)
        ]

    def write(self, folder: Path) -> None:
        """Write each file atomically; the facts come last."""
        table = io.BytesIO()
        self.scores.write_parquet(table)
        write_bytes(folder / SCORES, table.getvalue())
        if self.canaries is not None:
            write_bytes(folder / CANARIES, packed(self.canaries))
        write_json(folder / FACTS, self.facts)
