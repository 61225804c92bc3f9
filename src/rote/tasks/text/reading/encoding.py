"""Read text files as UTF-8 without byte order marks, in blocks or lines; no torch."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from rote.tasks.text.reading.decompression import READ_BYTES, buffered, open_bytes

MARK = "\ufeff"
UTF8_DECODER = codecs.getincrementaldecoder("utf-8")
# The longest first: UTF-32's mark begins with UTF-16's.
ENCODINGS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
LOOKED_AT_BYTES = 1 << 12
BLOCK_BYTES = 1 << 20  # it decides where long documents are cut


def encoding_of(head: bytes) -> str | None:
    """Return the encoding that a byte order mark names; None without one."""
    return next((name for mark, name in ENCODINGS.items() if head.startswith(mark)), None)


def open_utf8(path: Path) -> IO[bytes]:
    """Open the text of a file as UTF-8 bytes: decompressed, without byte order mark.

    Raises ValueError for a file with too many zeros for UTF-8 text, and as `open_bytes` does.
    """
    stream = open_bytes(path)
    head = stream.peek(LOOKED_AT_BYTES)  # type: ignore[attr-defined]  # both are buffered
    encoding = encoding_of(head)
    if encoding is None:
        _require_text(head[:LOOKED_AT_BYTES], path)
        return stream
    is_utf8 = encoding == "utf-8"
    return buffered(_without_mark(stream) if is_utf8 else _recoded(stream, encoding, path), stream)


def blocks_of_utf8(path: Path) -> Iterator[str]:
    """Yield a file in blocks; raises ValueError with the position of a byte that is not UTF-8."""
    decoder = UTF8_DECODER()
    with open_utf8(path) as stream:
        taken = 0  # bytes that the decoder has converted
        while data := stream.read(BLOCK_BYTES):
            kept = len(decoder.getstate()[0])
            yield _decoded(decoder, data, path, taken)
            taken += kept + len(data) - len(decoder.getstate()[0])
        _decoded(decoder, b"", path, taken, is_end=True)


def lines_of_utf8(path: Path, most_bytes: int) -> Iterator[tuple[int, str]]:
    """Yield lines with their ends, numbered from 1, without leading byte order marks.

    A file without line feeds is split at carriage returns. Raises ValueError with line and byte for
    text that is not UTF-8, and for a line of more than ``most_bytes``.
    """
    position = 0
    with open_utf8(path) as stream:
        for number, line in enumerate(_lines(stream, most_bytes), start=1):
            if len(line) > most_bytes:
                raise ValueError(
                    f"{path}, line {number} has more than {most_bytes:,} bytes, the most that is "
                    "read as one document: split it"
                )
            try:
                text = _decoded(UTF8_DECODER(), line, path, position, is_end=True)
                yield number, text.lstrip(MARK)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            position += len(line)


def _lines(stream: IO[bytes], most_bytes: int) -> Iterator[bytes]:
    head = stream.peek(READ_BYTES)  # type: ignore[attr-defined]
    if b"\n" in head or b"\r" not in head:
        while line := stream.readline(most_bytes + 1):
            yield line
        return
    rest = b""
    while block := stream.read(READ_BYTES):
        *lines, rest = (rest + block).split(b"\r")
        yield from (line + b"\r" for line in lines)
        if len(rest) > most_bytes:
            break
    if rest:
        yield rest


def _without_mark(stream: IO[bytes]) -> Iterator[bytes]:
    block = stream.read(READ_BYTES)
    while block.startswith(codecs.BOM_UTF8):
        block = block.removeprefix(codecs.BOM_UTF8)
    while block:
        yield block
        block = stream.read(READ_BYTES)


def _recoded(stream: IO[bytes], encoding: str, path: Path) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    data = b"-"
    while data:
        data = stream.read(READ_BYTES)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not {encoding.upper()}: {error.reason}") from error
        if text:
            yield text.encode()


def _require_text(head: bytes, path: Path) -> None:
    if head.count(0) * 4 > len(head):
        raise ValueError(
            f"{path} is not UTF-8 text: {head.count(0):,} of its first {len(head):,} bytes are "
            "zero, as in UTF-16 without a byte order mark or in binary data: save it as UTF-8"
        )


def _decoded(
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
            f"{path} is not UTF-8: byte {position + error.start:,} ({error.reason}): save it so"
        ) from error
