"""Define the protocols of tasks, of their sequences, and of data preparation.

Preparation is work on a task's data that must be done before a run has an id.

Shapes: N sequences or items, B sequences asked for, L tokens in each. No torch.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from rote.core.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor


class Sequences(Protocol):
    """A fixed set of token sequences, addressed by index."""

    @property
    def num_sequences(self) -> int:
        """Return the number of sequences."""

    def tokens(self, indices_B: Tensor) -> Tensor:
        """Return the requested sequences, int64 [B, L], on the device of ``indices_B``."""


@runtime_checkable
class Identified(Sequences, Protocol):
    """Sequences that other runs may have too, in another order."""

    @property
    def sample_ids(self) -> np.ndarray:
        """Return the sample of each sequence, int64 [N]; equal ids mean equal sequences."""


class Task(Protocol):
    """A source of training and held-out sequences of one length over one vocabulary."""

    @property
    def vocab_size(self) -> int:
        """Return the number of symbols."""

    @property
    def length(self) -> int:
        """Return the sequence length; position 0 reads token 0; `scored_from` limits scoring."""

    def train(self, seed: int) -> Sequences:
        """Return the sequences to learn."""

    def heldout(self, seed: int) -> Sequences:
        """Return sequences from the same source that no model is trained on."""

    def entropy_bits(self, *, from_position: int = 0) -> float | None:
        """Return the entropy of the training set in bits, without tokens before ``from_position``.

        None if it is unknown.
        """


@runtime_checkable
class Prompted(Protocol):
    """A task whose sequences begin with tokens that are read, but neither learnt nor scored."""

    @property
    def scored_from(self) -> int:
        """Return the first position that counts, below ``length``."""


def scored_from(task: Task) -> int:
    """Return the first position whose token is learnt and scored; 0 means all.

    Losses, sums and counts (tokens seen too) are over scored tokens only.
    """
    return task.scored_from if isinstance(task, Prompted) else 0


@runtime_checkable
class HasText(Protocol):
    """A task whose tokens are text."""

    def encode(self, text: str) -> Sequence[int]:
        """Return the tokens of a text: none added at either end, at most one per byte of UTF-8."""

    def decode(self, tokens_NL: np.ndarray) -> list[str]:
        """Return the text of each sequence; a character that is cut becomes U+FFFD."""


@runtime_checkable
class HasBase(Protocol):
    """A task that adds to another task's sequences."""

    @property
    def base(self) -> Task:
        """Return the other task, with the same vocabulary and length."""


def text_of(task: Task) -> HasText | None:
    """Return the task, or its base, if its tokens are text; else None."""
    if isinstance(task, HasText):
        return task
    return text_of(task.base) if isinstance(task, HasBase) else None


@runtime_checkable
class HasMembers(Protocol):
    """A task that also trains on sequences that do not resemble held-out ones."""

    def members(self, seed: int) -> Sequences:
        """Return training sequences from the held-out ones' source, each once, for membership."""


def members_of(task: Task, seed: int) -> Sequences:
    """Return the training sequences to distinguish from held-out ones: no canaries, no repeats.

    Membership is a question only about sequences that held-out ones resemble.
    """
    return task.members(seed) if isinstance(task, HasMembers) else task.train(seed)


@dataclass(frozen=True, kw_only=True)
class Items:
    """Questions, each with one right answer: the tokens before it, and the answer itself.

    ``bits_N`` is the answer's entropy for somebody who knows the source and its rules but not the
    training set: log2 of the equally likely answers from which it was drawn, 0 if a rule determines
    it, NaN if it is unknown.
    """

    tokens_NL: Tensor  # int64; tokens after an answer are not asked for
    answer_start_N: Tensor  # position of its first token, at least 1
    answer_end_N: Tensor  # one past its last token
    group_N: Tensor  # index into groups: operation, attribute
    groups: tuple[str, ...]
    exposures_N: Tensor  # times that the training set states it; 0: held out
    bits_N: Tensor  # float64

    @property
    def is_train_N(self) -> Tensor:
        """Return whether the training set holds the answer, bool [N]."""
        return self.exposures_N > 0

    def only(self, chosen_N: Tensor) -> Items:
        """Return the items chosen by ``chosen_N``, bool [N]."""
        rows = {
            each.name: getattr(self, each.name)[chosen_N]
            for each in fields(self)
            if each.name != "groups"
        }
        return replace(self, **rows)


@runtime_checkable
class HasItems(Protocol):
    """A task with questions: all items count alike, and none is selected by its result."""

    def items(self, seed: int) -> Items:
        """Return the items of this seed's training set, and held-out ones."""


@runtime_checkable
class HasCharacters(Protocol):
    """A task whose tokens are characters."""

    @property
    def characters(self) -> str:
        """Return the character of each token; the first one ends a line."""


class Manifest(Protocol):
    """A record of what was inserted where."""

    def write(self, path: Path) -> None:
        """Write the record atomically, as JSON."""


@runtime_checkable
class HasManifest(Protocol):
    """A task that records, before training, what it has inserted into its data."""

    def manifest(self, seed: int) -> Manifest:
        """Return the manifest of this seed's training set."""


@runtime_checkable
class HasSuperset(Protocol):
    """A task whose training sequences are the first ones of a larger set."""

    def superset(self, seed: int) -> Identified:
        """Return all sequences that a run could train on, in this seed's order."""


class Preparation(Hashable, Protocol):
    """Equal preparations are carried out once for a whole grid."""

    def __call__(self, progress: Progress) -> Mapping[str, Any]:
        """Return the keys of the task that are known now, with their values; raises ValueError."""


@runtime_checkable
class Prepares(Protocol):
    """What a task's class may offer: its data are made ready before a run id is given."""

    def preparation(self) -> Preparation:
        """Return what has to be done; nothing is done yet."""
