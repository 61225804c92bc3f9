"""Files as tokens: what comes back, what is refused."""

from dataclasses import dataclass

import numpy as np
import pytest

from rote.coding.container import StoredContent, array, npy, read, write
from rote.tasks.text.tokenisers import ByteEncoder
from rote.tasks.uniform import Uniform


class Words:
    """A tokeniser that knows some words; what it does not know becomes the first."""

    words = ("?", "by ", "rote ", "café ")

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        return [
            np.array([self._number(f"{word} ") for word in text.split(" ")[:-1]]) for text in texts
        ]

    def decode(self, tokens_NL: np.ndarray) -> list[str]:
        return ["".join(self.words[token] for token in row) for row in tokens_NL]

    def _number(self, word: str) -> int:
        return self.words.index(word) if word in self.words else 0


@dataclass
class Text:
    """A task of text, by words or by bytes."""

    made_by: Words | ByteEncoder
    vocab_size: int = 256

    def encoder(self) -> Words | ByteEncoder:
        return self.made_by


def uniform(vocab_size: int) -> Uniform:
    return Uniform(num_sequences=1, length=8, vocab_size=vocab_size, num_heldout_sequences=1)


def back(found: StoredContent, task: object) -> bytes:
    return write(found, task)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", bytes(range(256)), b"\x93NUMPY"])
def test_bytes_are_tokens_of_byte_level_text(content: bytes) -> None:
    found = read(content, Text(ByteEncoder()), "f")
    assert list(found.tokens_N) == list(content)
    assert back(found, Text(ByteEncoder())) == content


def test_text_goes_through_the_tokeniser() -> None:
    content = "by rote café ".encode()
    found = read(content, Text(Words()), "f")
    assert list(found.tokens_N) == [1, 2, 3]
    assert back(found, Text(Words())) == content


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"by \xff ", r"f is not UTF-8 \(byte 3\): .*task/tokeniser=bytes"),
        (b"by heart ", r"tokeniser does not give f back exactly: .*task/tokeniser=bytes"),
    ],
)
def test_what_a_tokeniser_would_lose_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read(content, Text(Words()), "f")


@pytest.mark.parametrize("dtype", ["uint8", "<i8", ">i4"])
def test_an_array_comes_back_as_it_was(dtype: str) -> None:
    content = npy(np.arange(12, dtype=dtype).reshape(3, 4))
    found = read(content, uniform(16), "f")
    assert list(found.tokens_N) == list(range(12))
    assert back(found, uniform(16)) == content


def test_random_tokens_that_have_room_for_bytes_take_any_file() -> None:
    found = read(b"any file", uniform(300), "f")
    assert back(found, uniform(300)) == b"any file"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"any file", "16 symbols are too few for bytes"),
        (npy(np.array([3, 16])), "f must hold whole numbers from 0 to 15"),
        (npy(np.array([-1])), "f must hold whole numbers from 0 to 15"),
        (npy(np.array([0.5])), "f must hold whole numbers from 0 to 15"),
        (npy(np.arange(9))[:-1], "f is no .npy that can be read"),
        (npy(np.arange(9)) + b"more", "f is not laid out as numpy.save does"),
    ],
)
def test_what_is_no_row_of_tokens_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read(content, uniform(16), "f")


def test_a_pickle_is_never_opened() -> None:
    stream = npy(np.array([1]))
    content = stream.replace(b"'<i8'", b"'|O' ")
    with pytest.raises(ValueError, match=r"f is no \.npy that can be read"):
        array(content, 16, "f")
