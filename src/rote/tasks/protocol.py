"""What a task and its sequences must offer.

Shapes: N sequences or items, B sequences asked for, L tokens in each.

Work on its data that a task needs done before a run can be named; no torch.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from rote.core.progress import Progress


class Sequences(Protocol):
    """A fixed set of token sequences, addressed by index."""

    @property
    def num_sequences(self) -> int:
        """How many there are."""
        ...

    def tokens(self, indices_B: Tensor) -> Tensor:
        """The sequences asked for, int64 [B, L], on the device of ``indices_B``."""
        ...


@runtime_checkable
class Identified(Sequences, Protocol):
    """Sequences that other runs can have too, in another order."""

    @property
    def sample_ids(self) -> np.ndarray:
        """Which sample each sequence is, int64 [N]; equal ids are equal sequences."""
        ...


class Task(Protocol):
    """A source of training and held-out sequences of one length over one vocabulary."""

    @property
    def vocab_size(self) -> int:
        """How many symbols there are."""
        ...

    @property
    def length(self) -> int:
        """Tokens in each sequence; position 0 reads token 0; `scored_from` says which count."""
        ...

    def train(self, seed: int) -> Sequences:
        """The sequences to learn."""
        ...

    def heldout(self, seed: int) -> Sequences:
        """Sequences from the same source that no model is trained on."""
        ...

    def entropy_bits(self, *, from_position: int = 0) -> float | None:
        """Entropy of the whole training set, tokens before ``from_position`` left out.

        None where it is not known.
        """
        ...


@runtime_checkable
class Prompted(Protocol):
    """A task whose sequences begin with tokens that are read, and neither learnt nor scored."""

    @property
    def scored_from(self) -> int:
        """The first position that counts, below ``length``."""
        ...


def scored_from(task: Task) -> int:
    """The first position of a sequence whose token is learnt and scored; 0: all of them are."""
    return task.scored_from if isinstance(task, Prompted) else 0


@runtime_checkable
class HasText(Protocol):
    """A task whose tokens are text."""

    def encode(self, text: str) -> Sequence[int]:
        """Its tokens, none added at either end, at most one for each byte of UTF-8."""
        ...

    def decode(self, tokens_NL: np.ndarray) -> list[str]:
        """The text of each sequence; a character that it cuts becomes U+FFFD."""
        ...


@runtime_checkable
class HasBase(Protocol):
    """A task that adds to another one's sequences."""

    @property
    def base(self) -> Task:
        """The other one, with the same vocabulary and length."""
        ...


def text_of(task: Task) -> HasText | None:
    """The task, or the one that it adds to, where tokens are text."""
    if isinstance(task, HasText):
        return task
    return text_of(task.base) if isinstance(task, HasBase) else None


@runtime_checkable
class HasMembers(Protocol):
    """A task that also trains on sequences which held-out ones do not resemble."""

    def members(self, seed: int) -> Sequences:
        """Training sequences from the held-out ones' source, each once: fit to be told apart."""
        ...


def members_of(task: Task, seed: int) -> Sequences:
    """What held-out sequences are to be told from."""
    return task.members(seed) if isinstance(task, HasMembers) else task.train(seed)


@dataclass(frozen=True, kw_only=True)
class Items:
    """Questions, each with one right answer: the tokens before it, and the answer itself.

    ``bits_N`` is the answer's entropy for one who knows the source and its rules and has not seen
    the training set: log2 of equally likely answers that it was drawn from, 0 where a rule gives
    it, NaN where nobody knows.
    """

    tokens_NL: Tensor  # int64; what follows an answer is not asked for
    answer_start_N: Tensor  # position of its first token, from 1 on
    answer_end_N: Tensor  # one past its last token
    group_N: Tensor  # index into groups: operation, attribute
    groups: tuple[str, ...]
    exposures_N: Tensor  # times that the training set states it; 0: held out
    bits_N: Tensor  # float64

    @property
    def is_train_N(self) -> Tensor:
        """Whether the training set holds the answer, bool [N]."""
        return self.exposures_N > 0

    def only(self, chosen_N: Tensor) -> "Items":
        """Those for which ``chosen_N``, bool [N], holds."""
        rows = {
            each.name: getattr(self, each.name)[chosen_N]
            for each in fields(self)
            if each.name != "groups"
        }
        return replace(self, **rows)


@runtime_checkable
class HasItems(Protocol):
    """A task that can be asked: every item counts alike, none is chosen by how it comes out."""

    def items(self, seed: int) -> Items:
        """Of the training set of this seed, and held-out ones."""
        ...


@runtime_checkable
class HasCharacters(Protocol):
    """A task whose tokens are characters."""

    @property
    def characters(self) -> str:
        """The character of each token; the first ends a line."""
        ...


class Manifest(Protocol):
    """What was planted where."""

    def write(self, path: Path) -> None:
        """Atomically, as JSON."""
        ...


@runtime_checkable
class HasManifest(Protocol):
    """A task that says before training what it has planted in its data."""

    def manifest(self, seed: int) -> Manifest:
        """Of the training set of this seed."""
        ...


@runtime_checkable
class HasSuperset(Protocol):
    """A task whose training sequences are the first of a larger set."""

    def superset(self, seed: int) -> Identified:
        """All that a run could be trained on, in this seed's order."""
        ...


class Preparation(Hashable, Protocol):
    """Equal preparations are carried out once for a whole grid."""

    def __call__(self, progress: Progress) -> Mapping[str, Any]:
        """The keys of the task that are known now, with their values; raises ValueError."""
        ...


@runtime_checkable
class Prepares(Protocol):
    """What a task's class may offer: its data are made ready before a run id is given."""

    def preparation(self) -> Preparation:
        """What has to be done; nothing is done yet."""
        ...
