"""How the content of a file stands in tokens: its bytes, its text, or an array of tokens.

Shapes: N tokens of a file.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from rote.tasks.protocol import Task
from rote.tasks.text.tokenisers import NUM_BYTES, ByteEncoder, Encoder

BYTES, TEXT, ARRAY = "bytes", "text", "array"


@runtime_checkable
class OfText(Protocol):
    """A task whose tokens were text."""

    def encoder(self) -> Encoder:
        """What made the tokens."""
        ...


@dataclass(frozen=True, kw_only=True)
class StoredContent:
    """A file that a task's model can read."""

    kind: str
    tokens_N: np.ndarray
    shape: Mapping[str, Any] = field(default_factory=dict)  # of an array: dtype and shape


def read(content: bytes, task: Task, name: str) -> StoredContent:
    """Raises ValueError naming the file, with the way out, where the task has no tokens for it."""
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
    """Tokens as numpy saves them; raises ValueError."""
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
    """The bytes that numpy saves."""
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()


def write(content: StoredContent, task: Task) -> bytes:
    """The inverse of `read`; raises ValueError where its tokens cannot be of this kind."""
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
