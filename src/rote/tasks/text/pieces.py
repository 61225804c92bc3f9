"""Text as it flows from sources to tokenisers: documents, the long ones in pieces; no torch."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

PIECE_CHARACTERS = 1 << 18  # a tokeniser's memory grows with what it takes at once


class Piece(NamedTuple):
    """A document, or what was cut from one after the end of a line."""

    text: str
    ends_document: bool
    is_null: bool = False  # a row without text, which counts as an empty document


def pieces(document: Iterable[str], *, is_null: bool = False) -> Iterator[Piece]:
    """Cut a document that comes in blocks; where it is cut depends on the blocks' sizes alone."""
    rest = ""
    for block in document:
        text, start = rest + block, 0
        while len(text) - start > PIECE_CHARACTERS:
            limit = start + PIECE_CHARACTERS
            end = text.rfind("\n", start, limit) + 1 or limit
            yield Piece(text[start:end], ends_document=False)
            start = end
        rest = text[start:]
    yield Piece(rest, ends_document=True, is_null=is_null)
