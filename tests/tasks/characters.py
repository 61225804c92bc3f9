"""Tokens of lines as text again."""

import torch
from torch import Tensor

from rote.tasks.lines import LineTask


def decoded(tokens_NS: Tensor, characters: str) -> list[str]:
    """The text of each row."""
    return ["".join(characters[token] for token in row) for row in tokens_NS.tolist()]


def lines(task: LineTask, *, heldout: bool = False, seed: int = 0) -> list[str]:
    """All sequences of a split."""
    sequences = task.heldout(seed) if heldout else task.train(seed)
    return decoded(sequences.tokens(torch.arange(sequences.num_sequences)), task.characters)
