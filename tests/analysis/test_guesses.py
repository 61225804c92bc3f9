"""Near-duplicates and recall, worked by hand."""

import random

import pytest

from rote.analysis.quantities.guesses import Recall, distinct, recall_at_errors


def test_half_of_the_trigrams_make_a_duplicate() -> None:
    # abcdef has abc bcd cde def; cdefgh has cde def efg fgh: two of four are shared.
    assert distinct(["abcdef", "cdefgh"]) == [0]
    # defghi has def efg fgh ghi: one of four.
    assert distinct(["abcdef", "defghi"]) == [0, 1]
    # Two of five trigrams of the second are in the first.
    assert distinct(["abcdef", "cdefghi"]) == [0, 1]
    # The other way round two of four trigrams are.
    assert distinct(["cdefghi", "abcdef"]) == [0]


def test_trigrams_are_a_multiset() -> None:
    # aaaaaa has aaa four times, aaa has it once: a quarter of it is shared.
    assert distinct(["aaa", "aaaaaa"]) == [0, 1]
    assert distinct(["aaaaaa", "aaa"]) == [0]


def test_only_what_was_kept_makes_duplicates_and_short_guesses_are_compared_whole() -> None:
    assert distinct(["abcdef", "cdefgh", "efghij"]) == [0, 2]
    assert distinct([[1, 2], [1], [1, 2], [], [], [1, 2, 3]]) == [0, 1, 3, 5]


def test_the_index_finds_what_comparing_all_pairs_finds() -> None:
    letters = random.Random(0)
    guesses = ["".join(letters.choices("ab", k=letters.randint(0, 9))) for _ in range(200)]
    kept: list[int] = []
    for index, guess in enumerate(guesses):
        if not any(shares_half(guess, guesses[other]) for other in kept):
            kept.append(index)
    assert distinct(guesses) == kept


def shares_half(guess: str, other: str) -> bool:
    own = [guess[i : i + 3] for i in range(len(guess) - 2)]
    if not own:
        return guess == other
    left = [other[i : i + 3] for i in range(len(other) - 2)]
    shared = 0
    for trigram in own:
        if trigram in left:
            left.remove(trigram)
            shared += 1
    return 2 * shared >= len(own)


def test_recall_stops_before_the_error_that_is_one_too_many() -> None:
    scores = [9, 8, 7, 6, 5, 4]
    right = [True, False, True, False, True, True]
    found = recall_at_errors(scores, right, num_targets=8, max_errors=1)
    assert found == Recall(num_right=2, num_wrong=1, num_targets=8)
    assert found.share == 0.25
    assert recall_at_errors(scores, right, num_targets=8).share == 0.5
    assert recall_at_errors([], [], num_targets=8).share == 0.0


def test_equal_scores_earn_no_credit() -> None:
    found = recall_at_errors([1, 1, 1], [True, True, False], num_targets=2, max_errors=0)
    assert found.num_right == 0


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(ValueError, match="a score that is a number"):
        recall_at_errors([float("nan")], [True], num_targets=1)
    with pytest.raises(ValueError, match="2 guesses are right, of 1 targets"):
        recall_at_errors([1, 2], [True, True], num_targets=1)
