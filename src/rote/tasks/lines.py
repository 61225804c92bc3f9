"""Provide the base of tasks made of text lines: a question asks for the end of a line.

Tokens are characters; all such tasks can share one alphabet, so that they can be mixed.

Shapes: N lines or sequences, S characters in a line with its newline, L tokens in a sequence.
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

from rote.core.checks import require_choice, require_whole
from rote.core.rng import generator
from rote.tasks.protocol import Items

NEWLINE, SPACE = "\n", " "
# The newline sorts first: token 0, which position 0 reads, is what precedes any line.
ASCII = NEWLINE + "".join(map(chr, range(ord(" "), ord("~") + 1)))
OCCURRING = "occurring"
ALPHABETS = (OCCURRING, "ascii")


UNKNOWN_BITS = math.nan


@dataclass(frozen=True, kw_only=True)
class Question:
    """A line whose end is asked for, with the mark that closes the answer."""

    before: str
    answer: str
    group: str
    exposures: int  # lines of the training set that state it; 0: held out
    bits: float  # as in `rote.tasks.protocol.Items`

    @property
    def line(self) -> str:
        """Return the whole line."""
        return self.before + self.answer


class Batching(Protocol):
    """How lines become sequences of one length."""

    def length(self, num_characters: int) -> int:
        """Return L for lines of so many characters; raises ValueError."""

    def rows(self, lines_NS: Tensor, seed: int) -> Tensor:
        """Return the sequences, int64 [N, L]; raises ValueError."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Each line is a sequence."""

    def length(self, num_characters: int) -> int:
        """Return the length of a line."""
        return num_characters

    def rows(self, lines_NS: Tensor, seed: int) -> Tensor:
        """Return the lines unchanged."""
        return lines_NS


@dataclass(frozen=True, kw_only=True)
class Windows:
    """A sequence is any ``block_size`` consecutive characters of the concatenated lines.

    The seed decides the order of the lines. Windows begin anywhere, also inside a line. Raises
    ValueError for a size below 1.
    """

    block_size: int

    def __post_init__(self) -> None:
        require_whole("task.batching.block_size", self.block_size, 1)

    def length(self, num_characters: int) -> int:
        """Return the block size; raises ValueError if a block is shorter than a line."""
        if self.block_size < num_characters:
            raise ValueError(
                f"task.batching.block_size={self.block_size} cuts every line: lines have "
                f"{num_characters} characters"
            )
        return self.block_size

    def rows(self, lines_NS: Tensor, seed: int) -> Tensor:
        """Return one window for each character that can begin one: [N, S] -> [windows, block].

        Raises ValueError if all lines together are shorter than a block.
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
        """Return the number of sequences."""
        return len(self.tokens_NL)

    def tokens(self, indices_B: Tensor) -> Tensor:
        """[B] -> [B, L] int64, on the device of the indices."""
        return self.tokens_NL[indices_B.cpu()].to(indices_B.device)


@dataclass(frozen=True, kw_only=True)
class LineTask(ABC):
    """The common part of line tasks; a subclass defines the lines."""

    alphabet: str  # occurring: characters that can occur; ascii: the same for every task
    batching: Batching

    @abstractmethod
    def questions(self, seed: int) -> Sequence[Question]:
        """Return all questions, held-out ones included."""

    @abstractmethod
    def texts(self) -> Iterable[str]:
        """Return texts with every character that can occur, for any seed."""

    @property
    @abstractmethod
    def longest(self) -> int:
        """Return the characters of the longest line without newline, for any seed."""

    def train_lines(self, seed: int) -> list[str]:
        """Return each line as often as it is stated."""
        return [one.line for one in self.questions(seed) for _ in range(one.exposures)]

    def check(self) -> None:
        """Build both splits once; raises ValueError if the batching cannot cut them."""
        assert self.length > self.longest
        for side in (self.train, self.heldout):
            side(0)

    @cached_property
    def characters(self) -> str:
        """Return the character of each token: those in the texts, newline and space; or ASCII.

        Raises ValueError for an unknown alphabet, and for characters beyond ASCII.
        """
        occurring = "".join(sorted({NEWLINE, SPACE}.union(*self.texts())))
        if beyond := sorted(set(occurring) - set(ASCII)):
            raise ValueError(f"lines are of printable ASCII, and {beyond[0]!r} is not")
        require_choice("task.alphabet", self.alphabet, ALPHABETS)
        return occurring if self.alphabet == OCCURRING else ASCII

    @property
    def vocab_size(self) -> int:
        """Return the number of characters."""
        return len(self.characters)

    @property
    def length(self) -> int:
        """Return the length of a line with its newline, or of a window."""
        return self.batching.length(self.longest + 1)

    def train(self, seed: int) -> Rows:
        """Return all lines to learn."""
        return self._sequences(self.train_lines(seed), seed)

    def heldout(self, seed: int) -> Rows:
        """Return lines that no model is trained on."""
        lines = [one.line for one in self.questions(seed) if one.exposures == 0]
        return self._sequences(lines, seed)

    def members(self, seed: int) -> Rows:
        """Return each trained question's line once, as held-out lines are."""
        lines = [one.line for one in self.questions(seed) if one.exposures]
        return self._sequences(lines, seed)

    def entropy_bits(self, *, from_position: int = 0) -> float | None:
        """Return None: rules, wordings and repetitions are not random; only answers have bits."""
        return None

    def items(self, seed: int) -> Items:
        """Return each line from its beginning, in any batching: a newline precedes it."""
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
        """Return lines padded with spaces and ended by a newline, int64 [N, S]."""
        assert max(map(len, lines), default=0) <= self.longest
        text = "".join(line.ljust(self.longest) + NEWLINE for line in lines)
        token_of = np.full(128, -1)
        ascii_codes = np.frombuffer(self.characters.encode("ascii"), np.uint8)
        token_of[ascii_codes] = np.arange(len(self.characters))
        tokens = token_of[np.frombuffer(text.encode("ascii"), np.uint8)]
        assert (tokens >= 0).all()
        return torch.from_numpy(tokens.reshape(len(lines), self.longest + 1))
