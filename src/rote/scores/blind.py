"""The blind baseline: which documents are members, told from their words without any model.

Where it beats a coin, members and non-members differ by themselves (in date, topic, source), and a
model's scores say nothing of memorisation (Das et al. 2024, arXiv 2406.16201). Multinomial naive
Bayes on a bag of symbols, cross-validated. Shapes: D documents, T symbols of all of them, V kinds.

Guesses without near-duplicates: what is said often is found once.

A guess is a sequence of symbols: tokens, words or bytes.
"""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from rote.core.checks import require_whole
from rote.scores.forward import Floats, Integers


def word_ids(texts: Sequence[str]) -> list[Integers]:
    """Each word of each text (what white space parts, in lower case) as a number."""
    ids: dict[str, int] = {}
    return [
        np.array([ids.setdefault(word, len(ids)) for word in text.lower().split()], dtype=np.int64)
        for text in texts
    ]


def blind_scores(
    members: Sequence[Integers],
    nonmembers: Sequence[Integers],
    *,
    num_folds: int = 10,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Log-odds of membership from the folds that a document is not in; higher = member.

    Documents are symbols (token ids, `word_ids`), one may be empty. Each side is dealt to the folds
    by itself. Raises ValueError for a side with fewer than ``num_folds`` documents.
    """
    require_whole("num_folds", num_folds, 2)
    sides = [_Side(documents, num_folds, seed) for documents in (members, nonmembers)]
    vocab_size = 1 + max(int(side.symbols_T.max(initial=-1)) for side in sides)
    scores = [np.zeros(len(side.fold_D)) for side in sides]
    for fold in range(num_folds):
        with_V, without_V = (side.log_frequencies(fold, vocab_size) for side in sides)
        for score_D, side in zip(scores, sides, strict=True):
            inside_D = side.fold_D == fold
            score_D[inside_D] = side.sums(with_V - without_V)[inside_D]
    return scores[0], scores[1]


class _Side:
    """All members, or all others, as one run of symbols."""

    def __init__(self, documents: Sequence[Integers], num_folds: int, seed: int) -> None:
        if len(documents) < num_folds:
            raise ValueError(f"{len(documents)} documents do not fill {num_folds} folds")
        lengths_D = [len(document) for document in documents]
        self.symbols_T = np.concatenate(documents)
        self.document_T = np.repeat(np.arange(len(documents)), lengths_D)
        places = np.random.default_rng(seed).permutation(len(documents))
        self.fold_D = places % num_folds

    def log_frequencies(self, fold: int, vocab_size: int) -> Floats:
        """ln of each symbol's share outside of a fold, [V], with Laplace's one more of each."""
        outside_T = self.fold_D[self.document_T] != fold
        count_V = 1.0 + np.bincount(self.symbols_T[outside_T], minlength=vocab_size)
        return np.asarray(np.log(count_V / count_V.sum()))

    def sums(self, weight_V: Floats) -> Floats:
        """Of the weights [V] of each document's symbols, [D]."""
        weights_T = weight_V[self.symbols_T]
        return np.asarray(
            np.bincount(self.document_T, weights_T, minlength=len(self.fold_D)), dtype=np.float64
        )


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
