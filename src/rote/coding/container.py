"""Define the format of a compressed file: magic, readable header, coded words, checksum.

    8 bytes   "rote-c" and the version, 16 bits
    4 bytes   length of the header
    ...       the header, JSON
    ...       words of the range coder, 32 bits each
    32 bytes  SHA-256 of everything before

All numbers are little-endian. The module also converts content to tokens and back: the content is
bytes, text, or an array of tokens.

Shapes: N tokens of a file.
"""

import io
import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from rote.io.read import json_of
from rote.io.shapes import keyed, listed, mapped, matching, optional, text, whole
from rote.tasks.text.tokenisers import NUM_BYTES, ByteEncoder, Encoder

if TYPE_CHECKING:
    from rote.tasks.protocol import Task

MAGIC = b"rote-c"
VERSION = 1
PREAMBLE = struct.Struct("<6sHI")
CHECKSUM_BYTES = 32
WORD = np.dtype("<u4")
MOST_TOKENS = 1 << 32
MOST_THREADS = 1 << 10
MOST_AT_ONCE = 256  # windows; more are no faster on a CPU
NUMPY_WHOLE = matching("[<>|][iu][1248]", "numpy's name of a whole number")


@dataclass(frozen=True, kw_only=True)
class Header:
    """Everything that decoding needs besides the model, and the digests to check its result."""

    run_id: str
    weights_sha256: str
    corpus: str | None  # of the run's task, if it has one: its tokeniser made the tokens
    kind: str  # how content becomes tokens: bytes, text or array
    shape: Mapping[str, Any]  # the rest of the content, which tokens do not hold
    content_bytes: int
    content_sha256: str
    num_tokens: int
    window_tokens: int
    num_windows: int
    windows_at_once: int
    threads: int  # the order of sums changes their last bits, and one bit changes all that follows
    made_with: Mapping[str, str]  # versions, shown if decoding gives another result


SHAPE = keyed(
    {
        "run_id": text,
        "weights_sha256": text,
        "corpus": optional(text),
        "kind": matching("bytes|text|array", "a kind of content"),
        "shape": keyed({}, {"dtype": NUMPY_WHOLE, "shape": listed(whole)}),
        "content_sha256": text,
        "made_with": mapped(text),
        **{each.name: whole for each in fields(Header) if each.type is int},
    }
)


def pack(header: Header, words: np.ndarray) -> bytes:
    """Return the whole file."""
    text = json.dumps(asdict(header), allow_nan=False, separators=(",", ":")).encode()
    body = PREAMBLE.pack(MAGIC, VERSION, len(text)) + text + words.astype(WORD).tobytes()
    return body + sha256(body).digest()


def unpack(file: bytes, name: str) -> tuple[Header, np.ndarray]:
    """Return the header and the coder's words, uint32.

    Raises ValueError naming the file if it is of another kind, damaged, cut short, or holds
    impossible numbers.
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
    """Raises ValueError for numbers that `pack` never writes: they may be of any size."""
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
    """Raises ValueError if the file was made with another run."""
    if run_id != header.run_id:
        raise ValueError(f"{name} was made with run {header.run_id}, not {run_id}")


BYTES, TEXT, ARRAY = "bytes", "text", "array"


@runtime_checkable
class OfText(Protocol):
    """A task whose tokens were text."""

    def encoder(self) -> Encoder:
        """Return the tokeniser that made the tokens."""


@dataclass(frozen=True, kw_only=True)
class StoredContent:
    """The content of a file as tokens that a task's model can read."""

    kind: str
    tokens_N: np.ndarray
    shape: Mapping[str, Any] = field(default_factory=dict)  # of an array: dtype and shape


def read(content: bytes, task: "Task", name: str) -> StoredContent:
    """Convert content to tokens; raises ValueError if the task has no tokens for it."""
    if isinstance(task, OfText):
        encoder = task.encoder()
        if not isinstance(encoder, ByteEncoder):
            return _text(content, encoder, name)
    elif content.startswith(np.lib.format.MAGIC_PREFIX):
        return array(content, task.vocab_size, name)
    if task.vocab_size < NUM_BYTES:
        raise ValueError(
            f"{name} is no .npy of tokens, and {task.vocab_size} symbols are too few for bytes: "
            f"give an array of whole numbers below {task.vocab_size}"
        )
    return StoredContent(kind=BYTES, tokens_N=np.frombuffer(content, np.uint8))


def array(content: bytes, vocab_size: int, name: str) -> StoredContent:
    """Read tokens that numpy saved; raises ValueError."""
    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{name} is no .npy that can be read: {error}") from error
    if loaded.dtype.kind not in "iu" or (
        loaded.size and not 0 <= loaded.min() <= loaded.max() < vocab_size
    ):
        raise ValueError(f"{name} must hold whole numbers from 0 to {vocab_size - 1}")
    if npy(loaded) != content:
        raise ValueError(f"{name} is not laid out as numpy.save does: save it again")
    shape = {"dtype": loaded.dtype.str, "shape": loaded.shape}
    return StoredContent(kind=ARRAY, tokens_N=loaded.ravel(), shape=shape)


def npy(values: np.ndarray) -> bytes:
    """Return the bytes that numpy.save writes."""
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()


def write(content: StoredContent, task: "Task") -> bytes:
    """Convert tokens back to content (inverse of `read`); raises ValueError if they do not fit."""
    if content.kind == BYTES:
        return content.tokens_N.astype(np.uint8).tobytes()
    if content.kind == ARRAY:
        values = content.tokens_N.astype(content.shape["dtype"])
        return npy(values.reshape(content.shape["shape"]))
    if not isinstance(task, OfText):
        raise ValueError("the file holds text, and the run's task has none")
    return _bytes_of(content.tokens_N, task.encoder())


def _text(content: bytes, encoder: Encoder, name: str) -> StoredContent:
    any_file = "a run with byte-level tokens (task/tokeniser=bytes) takes any file"
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 (byte {error.start}): {any_file}") from error
    tokens_N = encoder.encode([text])[0]
    if _bytes_of(tokens_N, encoder) != content:
        raise ValueError(f"the run's tokeniser does not give {name} back exactly: {any_file}")
    return StoredContent(kind=TEXT, tokens_N=tokens_N)


def _bytes_of(tokens_N: np.ndarray, encoder: Encoder) -> bytes:
    return encoder.decode(tokens_N[None])[0].encode()
