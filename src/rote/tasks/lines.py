"""Tasks that are lines of text, each of which can be asked for its end.

Shapes: N lines or sequences, S characters in a line with its newline, L tokens in a sequence.

Characters as tokens: one alphabet for every task of lines, so that such tasks can be mixed.

Shapes: N lines, S characters in each.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rote.core.checks import require_whole
from rote.core.rng import generator
from rote.tasks.protocol import Items

NEWLINE, SPACE = "\n", " "
# The newline sorts first: token 0, which position 0 reads, is what stands before any line.
ASCII = NEWLINE + "".join(map(chr, range(ord(" "), ord("~") + 1)))
OCCURRING = "occurring"
ALPHABETS = (OCCURRING, "ascii")


def characters_of(alphabet: str, texts: Iterable[str]) -> str:
    """The character of each token: those that occur in ``texts``, newline and space; or all.

    Raises ValueError for an alphabet that is none, and for characters beyond ASCII.
    """
    occurring = "".join(sorted({NEWLINE, SPACE}.union(*texts)))
    if beyond := sorted(set(occurring) - set(ASCII)):
        raise ValueError(f"lines are of printable ASCII, and {beyond[0]!r} is not")
    if alphabet not in ALPHABETS:
        raise ValueError(f"task.alphabet={alphabet!r}: choose from {', '.join(ALPHABETS)}")
    return occurring if alphabet == OCCURRING else ASCII


def encoded(lines: Sequence[str], characters: str, num_characters: int) -> Tensor:
    """Lines filled up with spaces and ended by a newline, int64 [N, S]."""
    assert max(map(len, lines), default=0) < num_characters
    text = "".join(line.ljust(num_characters - 1) + NEWLINE for line in lines)
    token_of = np.full(128, -1)
    token_of[np.frombuffer(characters.encode("ascii"), np.uint8)] = np.arange(len(characters))
    tokens = token_of[np.frombuffer(text.encode("ascii"), np.uint8)]
    assert (tokens >= 0).all()
    return torch.from_numpy(tokens.reshape(len(lines), num_characters))


UNKNOWN_BITS = math.nan


@dataclass(frozen=True, kw_only=True)
class Question:
    """A line, and the end of it that is asked for, with the mark that closes it."""

    before: str
    answer: str
    group: str
    exposures: int  # lines of the training set that state it; 0: held out
    bits: float  # as `rote.tasks.protocol.Items` has them

    @property
    def line(self) -> str:
        """The whole."""
        return self.before + self.answer


class Batching(Protocol):
    """How lines become sequences of one length."""

    def length(self, num_characters: int) -> int:
        """L, of lines with so many characters each; raises ValueError."""
        ...

    def rows(self, lines_NS: Tensor, seed: int) -> Tensor:
        """The sequences, int64 [N, L]; raises ValueError."""
        ...


@dataclass(frozen=True, kw_only=True)
class Lines:
    """A sequence is a line."""

    def length(self, num_characters: int) -> int:
        """That of a line."""
        return num_characters

    def rows(self, lines_NS: Tensor, seed: int) -> Tensor:
        """The lines as they are."""
        return lines_NS


@dataclass(frozen=True, kw_only=True)
class Windows:
    """A sequence is any ``block_size`` characters in a row of all lines, one after another.

    The lines' order is drawn from the seed. Windows begin anywhere, inside a line too.
    Raises ValueError for a size that is no number of characters.
    """

    block_size: int

    def __post_init__(self) -> None:
        require_whole("task.batching.block_size", self.block_size, 1)

    def length(self, num_characters: int) -> int:
        """The block's; raises ValueError where it holds no whole line to be asked for its end."""
        if self.block_size < num_characters:
            raise ValueError(
                f"task.batching.block_size={self.block_size} cuts every line: lines have "
                f"{num_characters} characters"
            )
        return self.block_size

    def rows(self, lines_NS: Tensor, seed: int) -> Tensor:
        """One window for each character that a window can begin with: [N, S] -> [windows, block].

        Raises ValueError where the lines are fewer characters than a block.
        """
        order_N = torch.randperm(len(lines_NS), generator=generator(seed, "data", "lines"))
        if lines_NS.numel() < self.block_size:
            raise ValueError(
                f"task.batching.block_size={self.block_size} is more than the "
                f"{lines_NS.numel()} characters of a split"
            )
        return lines_NS[order_N].flatten().unfold(0, self.block_size, 1)


@dataclass(frozen=True)
class Rows:
    """Sequences held as one tensor."""

    tokens_NL: Tensor

    @property
    def num_sequences(self) -> int:
        """How many there are."""
        return len(self.tokens_NL)

    def tokens(self, indices_B: Tensor) -> Tensor:
        """[B] -> [B, L] int64, on the device of the indices."""
        return self.tokens_NL[indices_B.cpu()].to(indices_B.device)


@dataclass(frozen=True, kw_only=True)
class LineTask(ABC):
    """What tasks of lines share: a subclass says which lines there are."""

    alphabet: str  # occurring: of characters that can occur; ascii: the same for every task
    batching: Batching

    @abstractmethod
    def questions(self, seed: int) -> Sequence[Question]:
        """All that can be asked, held-out ones too."""

    @abstractmethod
    def texts(self) -> Iterable[str]:
        """Texts with every character that can occur, whatever the seed."""

    @property
    @abstractmethod
    def longest(self) -> int:
        """Characters of the longest line, its newline left out, whatever the seed."""

    def train_lines(self, seed: int) -> list[str]:
        """As often as they are stated."""
        return [one.line for one in self.questions(seed) for _ in range(one.exposures)]

    def check(self) -> None:
        """Make both sides once; raises ValueError for what the batching cannot cut."""
        assert self.length > self.longest
        for side in (self.train, self.heldout):
            side(0)

    @cached_property
    def characters(self) -> str:
        """The character of each token."""
        return characters_of(self.alphabet, self.texts())

    @property
    def vocab_size(self) -> int:
        """One symbol for each character."""
        return len(self.characters)

    @property
    def length(self) -> int:
        """A line with its newline, or a window."""
        return self.batching.length(self.longest + 1)

    def train(self, seed: int) -> Rows:
        """All lines to learn."""
        return self._sequences(self.train_lines(seed), seed)

    def heldout(self, seed: int) -> Rows:
        """Lines that nothing is trained on."""
        lines = [one.line for one in self.questions(seed) if one.exposures == 0]
        return self._sequences(lines, seed)

    def members(self, seed: int) -> Rows:
        """What is trained on, each question's line once, as held-out lines are."""
        lines = [one.line for one in self.questions(seed) if one.exposures]
        return self._sequences(lines, seed)

    def entropy_bits(self, *, from_position: int = 0) -> float | None:
        """None: what a rule, a wording or a repetition tells is no chance. Answers have theirs."""
        return None

    def items(self, seed: int) -> Items:
        """Each line from its beginning, whatever the batching: what stands before is a newline."""
        questions = self.questions(seed)
        groups = tuple(dict.fromkeys(one.group for one in questions))
        lines_NS = self._encoded([one.line for one in questions])
        starts_N = torch.tensor([len(one.before) for one in questions])
        return Items(
            tokens_NL=functional.pad(lines_NS, (0, self.length - lines_NS.shape[1])),
            answer_start_N=starts_N,
            answer_end_N=starts_N + torch.tensor([len(one.answer) for one in questions]),
            group_N=torch.tensor([groups.index(one.group) for one in questions]),
            groups=groups,
            exposures_N=torch.tensor([one.exposures for one in questions]),
            bits_N=torch.tensor([one.bits for one in questions], dtype=torch.float64),
        )

    def _sequences(self, lines: Sequence[str], seed: int) -> Rows:
        return Rows(self.batching.rows(self._encoded(lines), seed))

    def _encoded(self, lines: Sequence[str]) -> Tensor:
        return encoded(lines, self.characters, self.longest + 1)
