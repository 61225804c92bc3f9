"""What a finished audit leaves for reading: scores a document, facts, canaries; no text, no torch.

scores.parquet  a row a document: set (member, nonmember), line, tokens, aside, code_bits, one
                column ``score.x`` for each score, ``reference.x`` with code lengths in bits,
                ``blind``; null where extraction was not tried: ``suffix_log_p``, ln p of what it
                asks for, and ``extracted``; where that is true, ``suffix_documents``, how many
                member documents hold what was given back
facts.json      models, digests, settings, counts of what was left out, versions
canaries.npz    what `rote.measures.exposure` tells, where there were canaries
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rote.io.write import write_bytes, write_json

SCORES, FACTS, CANARIES = "scores.parquet", "facts.json", "canaries.npz"
SCORE_PREFIX, REFERENCE_PREFIX = "score.", "reference."
MEMBER, NONMEMBER = "member", "nonmember"


@dataclass(frozen=True, kw_only=True)
class StoredAudit:
    """All of it."""

    scores: pl.DataFrame
    facts: Mapping[str, Any]
    canaries: Mapping[str, np.ndarray] | None

    @property
    def score_names(self) -> list[str]:
        """In the order in which they were made."""
        return [
            name.removeprefix(SCORE_PREFIX)
            for name in self.scores.columns
            if name.startswith(SCORE_PREFIX)
        ]

    def write(self, folder: Path) -> None:
        """Each file whole or not at all; the facts are last."""
        packed = io.BytesIO()
        self.scores.write_parquet(packed)
        write_bytes(folder / SCORES, packed.getvalue())
        if self.canaries is not None:
            arrays = io.BytesIO()
            np.savez(arrays, allow_pickle=False, **self.canaries)  # type: ignore[arg-type]
            write_bytes(folder / CANARIES, arrays.getvalue())
        write_json(folder / FACTS, self.facts)
