"""What a task and its sequences must offer.

Shapes: N sequences, B sequences asked for, L tokens in each.
"""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor


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
        """Tokens in each sequence; position 0 reads token 0, and every position is scored."""
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
