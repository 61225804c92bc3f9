"""Count exactly how often a string occurs in the training data, and in how many documents.

k-eidetic memorisation is defined by the number of documents (Carlini et al. 2021, arXiv 2012.07805,
definition 2). A suffix array of the data's bytes is built once (libdivsufsort, through
pydivsufsort); a count is then two binary searches. Memory: 5 bytes for each byte of data, 9 from
2 GiB on; documents are read one after another and may be generated lazily.

Shapes: N bytes of data, D documents, M matches.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydivsufsort import divsufsort


@dataclass(frozen=True, kw_only=True)
class OccurrenceCount:
    """How often a string was found."""

    occurrences: int  # overlapping ones included
    documents: int  # that contain it at least once


class Occurrences:
    """Counts strings within documents; a match never spans two documents."""

    def __init__(self, data: bytes, ends_D: NDArray[np.int64], *, symbol_bytes: int) -> None:
        """Index ``data``; ``ends_D`` are the ascending ends of its documents, in bytes."""
        self._data, self._ends_D, self._symbol_bytes = data, ends_D, symbol_bytes
        self._suffixes_N = divsufsort(data)

    @classmethod
    def of_bytes(cls, documents: Iterable[bytes]) -> "Occurrences":
        """Index texts; raises ValueError if there are none."""
        return cls._of(documents, symbol_bytes=1)

    @classmethod
    def of_tokens(cls, documents: Iterable[Sequence[int]], *, vocab_size: int) -> "Occurrences":
        """Index sequences of tokens below ``vocab_size``; raises ValueError if there are none."""
        symbol_bytes = next(width for width in (1, 2, 4, 8) if vocab_size <= 1 << 8 * width)
        packed = (_pack(tokens, symbol_bytes) for tokens in documents)
        return cls._of(packed, symbol_bytes=symbol_bytes)

    @classmethod
    def _of(cls, documents: Iterable[bytes], *, symbol_bytes: int) -> "Occurrences":
        data = BytesIO()
        ends_D = np.cumsum([data.write(document) for document in documents], dtype=np.int64)
        if len(ends_D) == 0 or ends_D[-1] == 0:
            raise ValueError("the training data are empty: there is nothing to count in")
        return cls(data.getvalue(), ends_D, symbol_bytes=symbol_bytes)

    def count_bytes(self, text: bytes) -> OccurrenceCount:
        """Count a text; raises ValueError for an empty one, which would be everywhere."""
        if not text:
            raise ValueError("an empty string cannot be counted")
        starts_M = self._starts(text)
        documents_M = np.searchsorted(self._ends_D, starts_M, side="right")
        inside_M = starts_M + len(text) <= self._ends_D[documents_M]
        # The index is of bytes: a match that begins inside a token is no match of tokens.
        documents_M = documents_M[inside_M & (starts_M % self._symbol_bytes == 0)]
        return OccurrenceCount(occurrences=len(documents_M), documents=len(np.unique(documents_M)))

    def count_tokens(self, tokens: Sequence[int]) -> OccurrenceCount:
        """Count tokens as `count_bytes` does, in data from `of_tokens`."""
        return self.count_bytes(_pack(tokens, self._symbol_bytes))

    def _starts(self, text: bytes) -> NDArray[np.int64]:
        """Return where ``text`` begins in the data, ignoring documents, in any order, [M]."""

        def beginning(suffix: np.integer[Any]) -> bytes:
            start = int(suffix)  # int32 + int would wrap near 2 GiB
            return self._data[start : start + len(text)]

        first = bisect_left(self._suffixes_N, text, key=beginning)
        last = bisect_right(self._suffixes_N, text, lo=first, key=beginning)
        return np.asarray(self._suffixes_N[first:last], dtype=np.int64)


def _pack(tokens: ArrayLike, symbol_bytes: int) -> bytes:
    """Return big-endian bytes, so that one index of bytes serves text and tokens.

    Raises ValueError for a token that does not fit.
    """
    largest = (1 << 8 * symbol_bytes) - 1
    whole = np.asarray(tokens, dtype=np.int64)
    wrong = whole[(whole < 0) | (whole > largest)]
    if len(wrong):
        raise ValueError(f"tokens must be from 0 to {largest}, got {wrong[0]}")
    return whole.astype(f">u{symbol_bytes}").tobytes()
