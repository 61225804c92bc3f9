"""What a task and its sequences must offer.

Shapes: B sequences asked for, L tokens in each.
"""

from typing import Protocol

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
