"""Compute the blind baseline, and remove near-duplicates among guesses.

The baseline predicts membership from a document's words, without a model. If it beats a coin,
members and non-members differ by themselves (in date, topic, source), and a model's scores are no
evidence of memorisation (Das et al. 2024, arXiv 2406.16201). It is multinomial naive Bayes on a bag
of symbols, cross-validated. A guess is a sequence of symbols: tokens, words or bytes.

Shapes: D documents, T symbols of all documents together, V different symbols.
"""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from rote.core.checks import require_whole
from rote.scores.documents import Floats, Integers


def word_ids(texts: Sequence[str]) -> list[Integers]:
    """Number the words of each text; words are split at white space, in lower case."""
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
    """Return each document's log-odds of membership, fitted on the other folds; higher = member.

    A document is a row of symbols (token ids, or `word_ids`) and may be empty. Members and
    non-members are assigned to folds separately. Raises ValueError if either set has fewer than
    ``num_folds`` documents.
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
    """The symbols of all members, or of all non-members, in one row."""

    def __init__(self, documents: Sequence[Integers], num_folds: int, seed: int) -> None:
        if len(documents) < num_folds:
            raise ValueError(f"{len(documents)} documents do not fill {num_folds} folds")
        lengths_D = [len(document) for document in documents]
        self.symbols_T = np.concatenate(documents)
        self.document_T = np.repeat(np.arange(len(documents)), lengths_D)
        places = np.random.default_rng(seed).permutation(len(documents))
        self.fold_D = places % num_folds

    def log_frequencies(self, fold: int, vocab_size: int) -> Floats:
        """Return ln of each symbol's share outside a fold, [V], with Laplace smoothing (+1)."""
        outside_T = self.fold_D[self.document_T] != fold
        count_V = 1.0 + np.bincount(self.symbols_T[outside_T], minlength=vocab_size)
        return np.asarray(np.log(count_V / count_V.sum()))

    def sums(self, weight_V: Floats) -> Floats:
        """Return the sum of the weights [V] over each document's symbols, [D]."""
        weights_T = weight_V[self.symbols_T]
        return np.asarray(
            np.bincount(self.document_T, weights_T, minlength=len(self.fold_D)), dtype=np.float64
        )


Guess = Sequence[Hashable]
Trigrams = Counter[tuple[Hashable, ...]]

DUPLICATE_SHARE = 0.5


def distinct(guesses: Sequence[Guess]) -> list[int]:
    """Return the indices of guesses that are not near-duplicates of an earlier kept guess.

    A guess is a near-duplicate of another if the other holds at least half of its trigrams, counted
    as a multiset (Carlini et al. 2021, arXiv 2012.07805, who count trigrams of words). Guesses too
    short for a trigram are compared whole.
    """
    kept: list[int] = []
    trigrams_of: dict[int, Trigrams] = {}
    holders: dict[tuple[Hashable, ...], list[int]] = {}  # trigram -> kept guesses that hold it
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
    """Return whether at least half of ``trigrams`` are also trigrams ``of`` another guess."""
    return (trigrams & of).total() >= DUPLICATE_SHARE * trigrams.total()
