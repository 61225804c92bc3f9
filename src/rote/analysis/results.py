"""What the finished runs of one sweep left: all that a report is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl
from numpy.typing import NDArray

from rote.analysis.alphas import CapacityScale
from rote.core.progress import Progress, no_progress
from rote.ledger.store import RunFolder

Curve = Sequence[Mapping[str, float]]


class Corpus(Protocol):
    """Prepared windows of text, by sample id."""

    @property
    def vocab_size(self) -> int:
        """How many symbols the tokeniser has."""
        ...

    def tokens(self, ids: NDArray[Any]) -> NDArray[Any]:
        """The windows asked for, int64 [n, L]."""
        ...

    def text(self, ids: NDArray[Any]) -> list[str]:
        """The same windows, decoded."""
        ...


@dataclass(frozen=True, kw_only=True)
class Results:
    """Runs by id, in the order of the table."""

    table: pl.DataFrame
    curves: Mapping[str, Curve]
    records_sha256: Mapping[str, str]
    folders: Mapping[str, RunFolder]  # where per-sequence arrays lie
    alphas: Mapping[str, CapacityScale]  # by precision: of the report that is named to scale by
    open_corpus: Callable[[str], Corpus]  # by corpus id
    progress: Progress = no_progress  # hears how far a long report is
