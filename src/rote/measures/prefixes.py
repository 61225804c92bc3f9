"""Prefixes that a model is given to go on from, as a measure's settings hold them."""

from collections.abc import Sequence

from rote.core.checks import require_whole


def require_prefixes(key: str, prefixes: Sequence[int]) -> None:
    """Raises ValueError for numbers of tokens of which one is no number, or that are none."""
    if len(prefixes) == 0:
        raise ValueError(f"{key} is empty: [8, 16, 32] are usual")
    for prefix in prefixes:
        require_whole(f"each of {key}", prefix, 1)


def require_rest(key: str, prefixes: Sequence[int], length: int) -> None:
    """Raises ValueError where a prefix leaves nothing of sequences of ``length`` tokens."""
    if (longest := max(prefixes)) >= length:
        raise ValueError(
            f"{key}: a prefix of {longest} tokens leaves nothing to continue in sequences of "
            f"task.length={length}"
        )
