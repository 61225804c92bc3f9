"""Read compressed files as streams, with a limit on their unpacked size; no torch."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, Any

READ_BYTES = 1 << 16
ZSTANDARD_BYTES = 1 << 11  # 4 bytes may expand to 128 KiB, and a block unpacks at once
ZSTANDARD_WINDOW_BYTES = 1 << 31  # for dumps that were made with --long=31
# Text shrinks to a third or a tenth, logs and copies to a hundredth. Beyond both limits it is a
# bomb.
MOST_TIMES, FREE_BYTES = 250, 1 << 28
MAGIC = {
    b"\x1f\x8b": "gzip",
    **{b"BZh%d1AY&SY" % level: "bzip2" for level in range(1, 10)},
    b"\xfd7zXZ\x00": "xz",
    b"]\x00\x00": "xz",  # the older .lzma
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"\x50\x2a\x4d\x18": "zstandard",  # a skippable frame, with which pzstd begins
}
SUFFIXES = (".gz", ".gzip", ".bz2", ".xz", ".lzma", ".zst", ".zstd")


class Blocks(RawIOBase):
    """Blocks of bytes as a file that can be read once; see `buffered`."""

    def __init__(self, blocks: Iterator[bytes], below: IO[bytes]) -> None:
        self._blocks, self._below, self._rest = blocks, below, b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` from the next block; return 0 at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = block
        part = self._rest[: len(buffer)]
        buffer[: len(part)] = part
        self._rest = self._rest[len(part) :]
        return len(part)

    def close(self) -> None:
        """Close the underlying stream as well."""
        self._below.close()
        super().close()


def buffered(blocks: Iterator[bytes], below: IO[bytes]) -> IO[bytes]:
    """Return a file that reads ``blocks`` and closes ``below``."""
    return BufferedReader(Blocks(blocks, below), READ_BYTES)


def compression_of(head: bytes) -> str | None:
    """Return the compression that a file's first bytes show, whatever its name; else None."""
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)


def without_compression(path: Path) -> str:
    """Return the file's name in lower case, without a suffix such as .gz."""
    name = path.name.lower()
    return name[: name.rindex(".")] if name.endswith(SUFFIXES) else name


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, decompressed if it is compressed.

    Reading raises ValueError for an archive that is damaged or cut off, and for one that grows more
    than any text would: a bomb.
    """
    stream = BufferedReader(path.open("rb", buffering=0), READ_BYTES)
    compression = compression_of(stream.peek())
    if compression is None:
        return stream
    blocks = _READERS[compression](stream, path)
    return buffered(_checked(blocks, path, compression), stream)


def require_growth(path: Path, num_bytes: int) -> None:
    """Raises ValueError if ``path`` unpacks to more bytes than any text would."""
    stored = path.stat().st_size
    if num_bytes > max(FREE_BYTES, MOST_TIMES * stored):
        raise ValueError(
            f"{path} unpacks to more than {MOST_TIMES} times its {stored:,} bytes, as no text does:"
            " if it is meant, unpack it and give the unpacked file"
        )


def _checked(blocks: Iterator[bytes], path: Path, compression: str) -> Iterator[bytes]:
    num_bytes = 0
    try:
        for block in blocks:
            num_bytes += len(block)
            require_growth(path, num_bytes)
            yield block
    except EOFError as error:
        raise ValueError(f"{path} is cut off: its {compression} data do not end") from error
    except (OSError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{path} is damaged {compression} data: {error}") from error


def _by_opening(open_it: Callable[..., Any]) -> Callable[[IO[bytes], Path], Iterator[bytes]]:
    def blocks(stream: IO[bytes], _: Path) -> Iterator[bytes]:
        with open_it(stream) as unpacked:
            while block := unpacked.read(READ_BYTES):
                yield block

    return blocks


def _zstandard(stream: IO[bytes], path: Path) -> Iterator[bytes]:
    """Read frame by frame: zstandard's own reader takes a truncated frame for a complete one."""
    try:
        import zstandard
    except ImportError as error:
        raise ValueError(f"{path} is zstandard data: pip install 'rote[text]'") from error
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTANDARD_WINDOW_BYTES)
    frame, rest = decompressor.decompressobj(), b""
    try:
        while data := rest or stream.read(ZSTANDARD_BYTES):
            if frame.eof:
                frame = decompressor.decompressobj()
            yield frame.decompress(data)
            rest = frame.unused_data if frame.eof else b""
    except zstandard.ZstdError as error:
        raise OSError(error) from error
    if not frame.eof:
        raise EOFError


_READERS = {
    "gzip": _by_opening(gzip.open),
    "bzip2": _by_opening(bz2.open),
    "xz": _by_opening(lzma.open),
    "zstandard": _zstandard,
}
