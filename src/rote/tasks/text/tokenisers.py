"""From text to tokens and back: bytes, BPE trained on the corpus, a tokenizer.json; no torch.

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


class Encoder(Protocol):
    """A tokeniser that is ready."""

    @property
    def vocab_size(self) -> int:
        """One more than its largest symbol."""
        ...

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The tokens of each text."""
        ...

    def decode(self, tokens_NL: np.ndarray) -> list[str]:
        """The text of each sequence; where it cuts a character there stands U+FFFD."""
        ...

    def vocabulary_digest(self) -> str:
        """Of what each symbol stands for, however a file writes that down."""
        ...

    def save(self, folder: Path) -> None:
        """What `load` needs."""
        ...


class Tokeniser(Protocol):
    """How text becomes tokens; frozen and hashable."""

    def settings(self) -> dict[str, Any]:
        """What a prepared corpus must agree with."""
        ...

    def version(self) -> str:
        """A digest of what the settings do not tell, empty where they tell all."""
        ...

    def encoder(self, corpus: Iterator[Piece]) -> Encoder:
        """Make it ready; raises ValueError."""
        ...


@dataclass(frozen=True, kw_only=True)
class Bytes:
    """A symbol for each byte of UTF-8: nothing to learn, nothing lost."""

    def settings(self) -> dict[str, Any]:
        """Its kind."""
        return {"kind": "bytes"}

    def version(self) -> str:
        """There is one."""
        return ""

    def encoder(self, corpus: Iterator[Piece]) -> Encoder:
        """The corpus is not looked at."""
        return ByteEncoder()


@dataclass(frozen=True, kw_only=True)
class TrainedBPE:
    """Byte-pair encoding over bytes, trained on the beginning of the corpus; nothing is lost.

    ``tokenizers`` (extra ``text``) trains it. Raises ValueError where the corpus is too small for
    so many symbols.
    """

    vocab_size: int
    train_bytes: int  # of the corpus, from its beginning

    def __post_init__(self) -> None:
        require_whole("task.tokeniser.vocab_size", self.vocab_size, NUM_BYTES, 1 << 30)
        require_whole("task.tokeniser.train_bytes", self.train_bytes, 1)

    def settings(self) -> dict[str, Any]:
        """All that is asked for."""
        return {"kind": "bpe", "vocab_size": self.vocab_size, "train_bytes": self.train_bytes}

    def version(self) -> str:
        """The corpus tells the rest."""
        return ""

    def encoder(self, corpus: Iterator[Piece]) -> Encoder:
        """The same for the same text."""
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

    Raises ValueError where it is missing, is none, or has another number of symbols than is said.
    """

    path: str
    vocab_size: int | None  # None: as many as the file has

    def __post_init__(self) -> None:
        if not isinstance(self.path, str):
            raise ValueError(f"task.tokeniser.path must name a tokenizer.json, got {self.path!r}")

    def settings(self) -> dict[str, Any]:
        """Not where it lies."""
        return {"kind": "file"}

    def version(self) -> str:
        """Of the file, and of the number that it is checked against."""
        if not Path(self.path).is_file():
            raise ValueError(f"task.tokeniser.path: there is no file {self.path!r}")
        return f"{sha256_of_file(Path(self.path))}:{self.vocab_size}"

    def encoder(self, corpus: Iterator[Piece]) -> Encoder:
        """The corpus is not looked at."""
        encoder = _from_file(Path(self.path))
        if self.vocab_size not in (None, encoder.vocab_size):
            raise ValueError(
                f"{self.path} has {encoder.vocab_size:,} symbols, "
                f"task.tokeniser.vocab_size says {self.vocab_size:,}"
            )
        return encoder


class ByteEncoder:
    """UTF-8."""

    vocab_size = NUM_BYTES

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """A view of each text's bytes."""
        return [np.frombuffer(text.encode(), dtype=np.uint8) for text in texts]

    def decode(self, tokens_NL: np.ndarray) -> list[str]:
        """Bytes that are no UTF-8, as where a window cuts a character, become U+FFFD."""
        rows = tokens_NL.astype(np.uint8)
        return [row.tobytes().decode(errors="replace") for row in rows]

    def vocabulary_digest(self) -> str:
        """There is one such vocabulary."""
        return "bytes"

    def save(self, folder: Path) -> None:
        """Nothing: it is what `load` takes where no definition lies."""


class JsonEncoder:
    """One of Hugging Face's."""

    def __init__(self, tokenizer: "Tokenizer") -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.vocab_size = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Without special tokens; raises ValueError where a regular expression of it fails."""
        try:
            encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        except BaseException as error:  # a panic of tokenizers is no Exception
            if type(error).__name__ != "PanicException":
                raise
            raise ValueError(f"the tokeniser fails on the text: {error}") from error
        return [np.array(one.ids, dtype=np.uint32) for one in encoded]

    def decode(self, tokens_NL: np.ndarray) -> list[str]:
        """Special tokens too."""
        return self._tokenizer.decode_batch(tokens_NL.tolist(), skip_special_tokens=False)

    def vocabulary_digest(self) -> str:
        """Of symbols and their numbers."""
        return sha256(canonical_json(self._tokenizer.get_vocab(with_added_tokens=True)).encode())

    def save(self, folder: Path) -> None:
        """As the one file that `tokenizers` reads."""
        write_text(folder / DEFINITION, self._tokenizer.to_str())


def load(folder: Path) -> Encoder:
    """What `Encoder.save` left in a folder; raises ValueError where it is damaged."""
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
    """Pieces until there are so many bytes; the last one is whole."""
    seen = 0
    for piece in corpus:
        if seen >= num_bytes:
            return
        seen += len(piece.text.encode())
        yield piece.text


def _needs_extra(error: ImportError) -> ValueError:
    return ValueError(f"this task.tokeniser needs pip install 'rote[text]' ({error})")
