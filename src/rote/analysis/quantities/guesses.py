"""Ranked guesses at training data: near-duplicates dropped, right ones counted up to 100 errors.

A guess is a sequence of symbols: tokens, words or bytes.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

Guess = Sequence[Hashable]
Trigrams = Counter[tuple[Hashable, ...]]

DUPLICATE_SHARE = 0.5


def distinct(guesses: Sequence[Guess]) -> list[int]:
    """Indices of guesses that are no near-duplicate of one kept before them, in their order.

    A guess is one where at least half of its trigrams, as a multiset, are those of the other
    (Carlini et al. 2021, arXiv 2012.07805, who count trigrams of words). Guesses too short for a
    trigram are compared whole.
    """
    kept: list[int] = []
    trigrams_of: dict[int, Trigrams] = {}
    holders: dict[tuple[Hashable, ...], list[int]] = {}  # which kept guesses hold a trigram
    short: set[tuple[Hashable, ...]] = set()
    for index, guess in enumerate(guesses):
        trigrams: Trigrams = Counter(zip(guess, guess[1:], guess[2:], strict=False))
        if not trigrams:
            is_new = tuple(guess) not in short
            short.add(tuple(guess))
        else:
            rivals = {rival for trigram in trigrams for rival in holders.get(trigram, ())}
            is_new = not any(is_near_duplicate(trigrams, trigrams_of[rival]) for rival in rivals)
        if is_new:
            kept.append(index)
            trigrams_of[index] = trigrams
            for trigram in trigrams:
                holders.setdefault(trigram, []).append(index)
    return kept


def is_near_duplicate(trigrams: Trigrams, of: Trigrams) -> bool:
    """Whether at least half of ``trigrams`` are among those ``of`` another guess."""
    return (trigrams & of).total() >= DUPLICATE_SHARE * trigrams.total()


@dataclass(frozen=True, kw_only=True)
class Recall:
    """What was found by following a ranking until too many guesses were wrong."""

    num_right: int
    num_wrong: int
    num_targets: int

    @property
    def share(self) -> float:
        """Right guesses over all targets."""
        return self.num_right / self.num_targets


def recall_at_errors(
    scores: ArrayLike, is_right: ArrayLike, *, num_targets: int, max_errors: int = 100
) -> Recall:
    """Follow guesses from the highest score down, and stop before the error that is one too many.

    Among equal scores wrong guesses come first. Raises ValueError for what cannot be ranked.
    """
    scores_N, right_N = np.asarray(scores, dtype=np.float64), np.asarray(is_right, dtype=np.bool_)
    if scores_N.shape != right_N.shape or np.isnan(scores_N).any():
        raise ValueError("every guess needs a score that is a number, and whether it is right")
    if num_targets < max(1, int(right_N.sum())):
        raise ValueError(f"{int(right_N.sum())} guesses are right, of {num_targets} targets")
    right_N = right_N[np.lexsort((right_N, -scores_N))]
    taken_N = np.cumsum(~right_N) <= max_errors
    return Recall(
        num_right=int((right_N & taken_N).sum()),
        num_wrong=int((~right_N & taken_N).sum()),
        num_targets=num_targets,
    )
