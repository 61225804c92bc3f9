"""Convert text to tokens and back: bytes, BPE trained on the corpus, a tokenizer.json; no torch.

Shapes: N sequences, L tokens in each.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rote.core.checks import require_whole
from rote.io.read import read_bytes
from rote.io.write import canonical_json, sha256, sha256_of_file, write_text
from rote.tasks.text.sources import Piece

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NUM_BYTES = 256
DEFINITION = "tokeniser.json"  # in a prepared corpus; absent at byte level


class ByteEncoder:
    """UTF-8 bytes as tokens, in the interface of every encoder."""

    vocab_size = NUM_BYTES

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return a view of each text's bytes."""
        return [np.frombuffer(text.encode(), dtype=np.uint8) for text in texts]

    def decode(self, tokens_NL: np.ndarray) -> list[str]:
        """Return texts; bytes that are not UTF-8 (a window may cut a character) become U+FFFD."""
        rows = tokens_NL.astype(np.uint8)
        return [row.tobytes().decode(errors="replace") for row in rows]

    def vocabulary_digest(self) -> str:
        """Return a constant: there is only one such vocabulary."""
        return "bytes"

    def save(self, folder: Path) -> None:
        """Write nothing; `load` defaults to the byte tokeniser."""


class JsonEncoder:
    """A tokeniser of Hugging Face's ``tokenizers``."""

    def __init__(self, tokenizer: "Tokenizer") -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.vocab_size = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return tokens without special ones; raises ValueError if its regular expression fails."""
        try:
            encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        except BaseException as error:  # a panic of tokenizers is no Exception
            if type(error).__name__ != "PanicException":
                raise
            raise ValueError(f"the tokeniser fails on the text: {error}") from error
        return [np.array(one.ids, dtype=np.uint32) for one in encoded]

    def decode(self, tokens_NL: np.ndarray) -> list[str]:
        """Return texts that include special tokens."""
        return self._tokenizer.decode_batch(tokens_NL.tolist(), skip_special_tokens=False)

    def vocabulary_digest(self) -> str:
        """Return a digest of symbols and their numbers, independent of the file format."""
        return sha256(canonical_json(self._tokenizer.get_vocab(with_added_tokens=True)).encode())

    def save(self, folder: Path) -> None:
        """Write the one file that `tokenizers` reads."""
        write_text(folder / DEFINITION, self._tokenizer.to_str())


Encoder = ByteEncoder | JsonEncoder  # a tokeniser that is ready for use


class Tokeniser(Protocol):
    """How text becomes tokens; frozen and hashable."""

    def settings(self) -> dict[str, Any]:
        """Return the settings that a prepared corpus must agree with."""

    def version(self) -> str:
        """Return a digest of what the settings do not cover; empty if they cover all."""

    def encoder(self, corpus: Iterator[Piece]) -> Encoder:
        """Return the ready tokeniser; raises ValueError."""


@dataclass(frozen=True, kw_only=True)
class Bytes:
    """One symbol per byte of UTF-8: it needs no training and is lossless."""

    def settings(self) -> dict[str, Any]:
        """Return its kind."""
        return {"kind": "bytes"}

    def version(self) -> str:
        """Return an empty version: there is only one."""
        return ""

    def encoder(self, corpus: Iterator[Piece]) -> Encoder:
        """Return the encoder; the corpus is not read."""
        return ByteEncoder()


@dataclass(frozen=True, kw_only=True)
class TrainedBPE:
    """Byte-pair encoding over bytes, trained on the beginning of the corpus; lossless.

    ``tokenizers`` (extra ``text``) trains it. Raises ValueError if the corpus is too small for so
    many symbols.
    """

    vocab_size: int
    train_bytes: int  # of the corpus, from its beginning

    def __post_init__(self) -> None:
        require_whole("task.tokeniser.vocab_size", self.vocab_size, NUM_BYTES, 1 << 30)
        require_whole("task.tokeniser.train_bytes", self.train_bytes, 1)

    def settings(self) -> dict[str, Any]:
        """Return all settings."""
        return {"kind": "bpe", "vocab_size": self.vocab_size, "train_bytes": self.train_bytes}

    def version(self) -> str:
        """Return an empty version: settings and corpus determine it."""
        return ""

    def encoder(self, corpus: Iterator[Piece]) -> Encoder:
        """Train the tokeniser; equal text gives equal results."""
        from_text = _trained(_beginning(corpus, self.train_bytes), self.vocab_size)
        if from_text.vocab_size != self.vocab_size:
            raise ValueError(
                f"the corpus gives BPE only {from_text.vocab_size:,} symbols: "
                f"task.tokeniser.vocab_size={self.vocab_size} is too many"
            )
        return from_text


@dataclass(frozen=True, kw_only=True)
class TokeniserFile:
    """A ``tokenizer.json`` of Hugging Face's ``tokenizers`` (extra ``text``).

    Raises ValueError if it is missing, is another file, or has another vocabulary size than given.
    """

    path: str
    vocab_size: int | None  # None: the file's own

    def __post_init__(self) -> None:
        if not isinstance(self.path, str):
            raise ValueError(f"task.tokeniser.path must name a tokenizer.json, got {self.path!r}")

    def settings(self) -> dict[str, Any]:
        """Return the settings, without the path."""
        return {"kind": "file"}

    def version(self) -> str:
        """Return the digest of the file, with the expected vocabulary size."""
        if not Path(self.path).is_file():
            raise ValueError(f"task.tokeniser.path: there is no file {self.path!r}")
        return f"{sha256_of_file(Path(self.path))}:{self.vocab_size}"

    def encoder(self, corpus: Iterator[Piece]) -> Encoder:
        """Load the tokeniser; the corpus is not read."""
        encoder = _from_file(Path(self.path))
        if self.vocab_size not in (None, encoder.vocab_size):
            raise ValueError(
                f"{self.path} has {encoder.vocab_size:,} symbols, "
                f"task.tokeniser.vocab_size says {self.vocab_size:,}"
            )
        return encoder


def load(folder: Path) -> Encoder:
    """Load what `Encoder.save` wrote to a folder; raises ValueError if it is damaged."""
    path = folder / DEFINITION
    return _from_file(path) if os.path.lexists(path) else ByteEncoder()


def _from_file(path: Path) -> JsonEncoder:
    try:
        from tokenizers import Tokenizer

        return JsonEncoder(Tokenizer.from_buffer(read_bytes(path)))
    except ImportError as error:
        raise _needs_extra(error) from error
    except Exception as error:  # tokenizers raises bare Exceptions
        raise ValueError(f"{path} is not a tokenizer.json: {error}") from error


def _trained(texts: Iterator[str], vocab_size: int) -> JsonEncoder:
    try:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    except ImportError as error:
        raise _needs_extra(error) from error
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return JsonEncoder(tokenizer)


def _beginning(corpus: Iterator[Piece], num_bytes: int) -> Iterator[str]:
    """Yield pieces up to ``num_bytes``; the last one is complete."""
    seen = 0
    for piece in corpus:
        if seen >= num_bytes:
            return
        seen += len(piece.text.encode())
        yield piece.text


def _needs_extra(error: ImportError) -> ValueError:
    return ValueError(f"this task.tokeniser needs pip install 'rote[text]' ({error})")
