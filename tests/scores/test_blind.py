"""A split that leaks by its words is told; one that does not looks like a coin."""

import numpy as np
import pytest

from rote.scores.blind import blind_scores, word_ids


def share_above(members: np.ndarray, others: np.ndarray) -> float:
    return float((members[:, None] > others).mean() + (members[:, None] == others).mean() / 2)


def documents(seed: int, num: int, frequencies: np.ndarray) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.choice(len(frequencies), 20, p=frequencies) for _ in range(num)]


def test_words_are_numbered_in_lower_case() -> None:
    first, second, empty = word_ids(["The cat  the", "dog cat", ""])
    assert (first.tolist(), second.tolist(), empty.tolist()) == ([0, 1, 0], [2, 1], [])


def test_other_frequencies_are_told_and_equal_ones_are_not() -> None:
    flat = np.full(50, 1 / 50)
    tilted = np.linspace(1, 3, 50) / np.linspace(1, 3, 50).sum()
    others = documents(0, 400, flat)
    assert share_above(*blind_scores(documents(1, 400, tilted), others)) > 0.8
    assert share_above(*blind_scores(documents(2, 400, flat), others)) == pytest.approx(
        0.5, abs=0.07
    )


def test_a_document_is_scored_without_itself_as_a_loop_does_it() -> None:
    """Two folds: naive Bayes by hand from the other fold's words."""
    members = [np.array([0, 0]), np.array([0, 1])]
    others = [np.array([1, 2]), np.array([2])]
    found = blind_scores(members, others, num_folds=2)
    for held, learnt in ((0, 1), (1, 0)):  # sides of one size are dealt alike
        count_with = 1.0 + np.bincount(members[learnt], minlength=3)
        count_without = 1.0 + np.bincount(others[learnt], minlength=3)
        weight = np.log(count_with / count_with.sum() * count_without.sum() / count_without)
        assert found[0][held] == pytest.approx(weight[members[held]].sum())
        assert found[1][held] == pytest.approx(weight[others[held]].sum())


def test_empty_documents_score_nothing_and_empty_sides_are_refused() -> None:
    empty = [np.array([], dtype=np.int64)] * 10
    assert [score.tolist() for score in blind_scores(empty, empty)] == [[0.0] * 10] * 2
    with pytest.raises(ValueError, match="9 documents do not fill 10 folds"):
        blind_scores(empty, empty[:9])
