"""What a compressed file looks like: magic, a readable header, coded words, a checksum of it all.

    8 bytes   "rote-c" and the version, 16 bits
    4 bytes   length of the header
    ...       the header, JSON
    ...       words of the range coder, 32 bits each
    32 bytes  SHA-256 of everything before

All numbers are little-endian.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rote.io.read import json_of
from rote.io.shapes import keyed, listed, mapped, matching, optional, text, whole

MAGIC = b"rote-c"
VERSION = 1
PREAMBLE = struct.Struct("<6sHI")
CHECKSUM_BYTES = 32
WORD = np.dtype("<u4")
MOST_TOKENS = 1 << 32
MOST_THREADS = 1 << 10
MOST_AT_ONCE = 256  # windows: more are no faster on a CPU
NUMPY_WHOLE = matching("[<>|][iu][1248]", "numpy's name of a whole number")
SHAPE = keyed(
    {
        "run_id": text,
        "weights_sha256": text,
        "corpus": optional(text),
        "kind": matching("bytes|text|array", "a kind of content"),
        "shape": keyed({}, {"dtype": NUMPY_WHOLE, "shape": listed(whole)}),
        "content_sha256": text,
        "made_with": mapped(text),
        **dict.fromkeys(
            (
                "content_bytes", "num_tokens", "window_tokens", "num_windows", "windows_at_once",
                "threads",
            ),
            whole,
        ),
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Header:
    """Everything that decoding needs to know beside the model, and what it has to give."""

    run_id: str
    weights_sha256: str
    corpus: str | None  # of the run's task, where it has one: its tokeniser made the tokens
    kind: str  # how tokens stand for content: `rote.coding.contents`
    shape: Mapping[str, Any]  # what else of the content is no token
    content_bytes: int
    content_sha256: str
    num_tokens: int
    window_tokens: int
    num_windows: int
    windows_at_once: int
    threads: int  # sums in another order change last bits, and a last bit changes all that follows
    made_with: Mapping[str, str]  # versions; for the message where decoding gives something else


def pack(header: Header, words: np.ndarray) -> bytes:
    """The whole file."""
    text = json.dumps(asdict(header), allow_nan=False, separators=(",", ":")).encode()
    body = PREAMBLE.pack(MAGIC, VERSION, len(text)) + text + words.astype(WORD).tobytes()
    return body + sha256(body).digest()


def unpack(file: bytes, name: str) -> tuple[Header, np.ndarray]:
    """The header and the coder's words, uint32.

    Raises ValueError naming the file where it is of another kind, damaged, cut short, or says what
    cannot be.
    """
    if len(file) < PREAMBLE.size or not file.startswith(MAGIC):
        raise ValueError(f"{name} was not written by rote compress")
    _, version, header_bytes = PREAMBLE.unpack_from(file)
    if version != VERSION:
        raise ValueError(f"{name} has version {version}, this program reads {VERSION}")
    body, checksum = file[:-CHECKSUM_BYTES], file[-CHECKSUM_BYTES:]
    if sha256(body).digest() != checksum:
        raise ValueError(f"{name} is damaged or cut short: its checksum does not match its content")
    start = PREAMBLE.size + header_bytes
    words = body[start:]
    if len(words) % WORD.itemsize:
        raise ValueError(f"{name} is damaged: its code is not made of whole words")
    plain = json_of(body[PREAMBLE.size : start], Path(name), SHAPE)
    header = Header(**{field.name: plain[field.name] for field in fields(Header)})
    _require_possible(header, name)
    return header, np.frombuffer(words, WORD).astype(np.uint32)


def _require_possible(header: Header, name: str) -> None:
    """Raises ValueError for numbers that `pack` never writes: they may be any size."""
    windows = -(-header.num_tokens // max(1, header.window_tokens))
    is_possible = (
        header.window_tokens >= 1
        and header.num_windows == windows
        and header.num_tokens <= MOST_TOKENS
        and 1 <= header.windows_at_once <= MOST_AT_ONCE
        and 1 <= header.threads <= MOST_THREADS
    )
    if not is_possible:
        raise ValueError(f"{name} is damaged: the numbers in its header cannot be")


def require_run(header: Header, run_id: str, name: str) -> None:
    """Raises ValueError where the file was made with another run."""
    if run_id != header.run_id:
        raise ValueError(f"{name} was made with run {header.run_id}, not {run_id}")
