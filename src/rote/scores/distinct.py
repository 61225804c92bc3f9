"""Guesses without near-duplicates: what is said often is found once.

A guess is a sequence of symbols: tokens, words or bytes.
"""

from collections import Counter
from collections.abc import Hashable, Sequence

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
