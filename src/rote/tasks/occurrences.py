"""How often a string stands in the training data, and in how many of its documents: exact counts.

k-eidetic memorisation asks for the latter (Carlini et al. 2021, arXiv 2012.07805, definition 2).
A suffix array of the data's bytes is built once (libdivsufsort, through pydivsufsort); a count is
then two binary searches. Held in memory: 5 bytes for each byte of data, 9 from 2 GiB on; documents
are read one after another and may be made as they are asked for.
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
    """Where a string was found."""

    occurrences: int  # overlapping ones too
    documents: int  # that contain it at least once


class Occurrences:
    """Counts strings within documents; a match never spans two of them."""

    def __init__(self, data: bytes, ends_D: NDArray[np.int64], *, symbol_bytes: int) -> None:
        """``ends_D``: where each document ends in ``data``, in bytes; rising to its length."""
        self._data, self._ends_D, self._symbol_bytes = data, ends_D, symbol_bytes
        self._suffixes_N = divsufsort(data)

    @classmethod
    def of_bytes(cls, documents: Iterable[bytes]) -> "Occurrences":
        """Of texts; raises ValueError where there is nothing to look in."""
        return cls._of(documents, symbol_bytes=1)

    @classmethod
    def of_tokens(cls, documents: Iterable[Sequence[int]], *, vocab_size: int) -> "Occurrences":
        """Of sequences of tokens below ``vocab_size``; raises ValueError where there are none."""
        symbol_bytes = _width(vocab_size)
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
        """Raises ValueError for an empty text, which would be everywhere."""
        if not text:
            raise ValueError("an empty string cannot be counted")
        starts_M = self._starts(text)
        documents_M = np.searchsorted(self._ends_D, starts_M, side="right")
        inside_M = starts_M + len(text) <= self._ends_D[documents_M]
        documents_M = documents_M[inside_M & (starts_M % self._symbol_bytes == 0)]
        return OccurrenceCount(occurrences=len(documents_M), documents=len(np.unique(documents_M)))

    def count_tokens(self, tokens: Sequence[int]) -> OccurrenceCount:
        """As `count_bytes`, for data made by `of_tokens`."""
        return self.count_bytes(_pack(tokens, self._symbol_bytes))

    def _starts(self, text: bytes) -> NDArray[np.int64]:
        """Where ``text`` begins in the data, documents aside, in any order, [M]."""

        def beginning(suffix: np.integer[Any]) -> bytes:
            start = int(suffix)  # int32 + int would wrap near 2 GiB
            return self._data[start : start + len(text)]

        first = bisect_left(self._suffixes_N, text, key=beginning)
        last = bisect_right(self._suffixes_N, text, lo=first, key=beginning)
        return np.asarray(self._suffixes_N[first:last], dtype=np.int64)


def _width(vocab_size: int) -> int:
    """Bytes that hold one token."""
    return next(width for width in (1, 2, 4, 8) if vocab_size <= 1 << 8 * width)


def _pack(tokens: ArrayLike, symbol_bytes: int) -> bytes:
    """Big-endian; raises ValueError for a token that has no place in so many bytes."""
    largest = (1 << 8 * symbol_bytes) - 1
    whole = np.asarray(tokens, dtype=np.int64)
    wrong = whole[(whole < 0) | (whole > largest)]
    if len(wrong):
        raise ValueError(f"tokens must be from 0 to {largest}, got {wrong[0]}")
    return whole.astype(f">u{symbol_bytes}").tobytes()
