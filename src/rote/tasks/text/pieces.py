"""Text as it flows from sources to tokenisers: documents, the long ones in pieces; no torch."""

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PIECE_CHARACTERS = 1 << 18  # a tokeniser's memory grows with what it takes at once
BLOCK_BYTES = 1 << 20


class Piece(NamedTuple):
    """A document, or what was cut from one after the end of a line."""

    text: str
    ends_document: bool


def pieces(document: Iterable[str]) -> Iterator[Piece]:
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
    yield Piece(rest, ends_document=True)


def blocks_of_utf8(path: Path) -> Iterator[str]:
    """A file read in blocks; raises ValueError with the byte position of what is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as stream:
        position = 0  # of the first byte that the decoder has not taken
        while data := stream.read(BLOCK_BYTES):
            yield _decode(decoder, data, path, position)
            position = stream.tell() - len(decoder.getstate()[0])
        _decode(decoder, b"", path, position, is_end=True)


def utf8(data: bytes, path: Path, position: int) -> str:
    """Bytes that begin at ``position`` of ``path`` as text; raises ValueError."""
    return _decode(codecs.getincrementaldecoder("utf-8")(), data, path, position, is_end=True)


def _decode(
    decoder: codecs.IncrementalDecoder,
    data: bytes,
    path: Path,
    position: int,
    *,
    is_end: bool = False,
) -> str:
    try:
        return decoder.decode(data, is_end)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8: byte {position + error.start:,} ({error.reason})"
        ) from error
