"""Tokens of lines as text again."""

from torch import Tensor


def decoded(tokens_NS: Tensor, characters: str) -> list[str]:
    """The text of each row."""
    return ["".join(characters[token] for token in row) for row in tokens_NS.tolist()]
