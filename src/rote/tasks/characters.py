"""Characters as tokens: one alphabet for every task of lines, so that such tasks can be mixed.

Shapes: N lines, S characters in each.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

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
