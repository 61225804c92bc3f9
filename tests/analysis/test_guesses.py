"""Recall of ranked guesses, worked by hand."""

import numpy as np
import pytest

from rote.analysis.quantities.guesses import Recall, recall_at_errors


def test_recall_ends_with_the_last_error_that_is_allowed() -> None:
    scores = [9, 8, 7, 6, 5, 4]
    right = [True, False, True, False, True, True]
    one = recall_at_errors(scores, right, num_targets=8, max_errors=1)
    assert one == Recall(num_right=1, num_wrong=1, num_targets=8)
    two = recall_at_errors(scores, right, num_targets=8, max_errors=2)
    assert two == Recall(num_right=2, num_wrong=2, num_targets=8)
    assert two.share == 0.25
    assert recall_at_errors(scores, right, num_targets=8).share == 0.5
    assert recall_at_errors([], [], num_targets=8).share == 0.0


def test_a_right_guess_behind_the_hundredth_error_earns_nothing() -> None:
    """500 right ones, 100 wrong ones, then one that is right: 0.5 of 1,000, not 0.501."""
    right = [True] * 500 + [False] * 100 + [True]
    found = recall_at_errors(-np.arange(601), right, num_targets=1000)
    assert (found.share, found.num_wrong) == (0.5, 100)
    one_less = right[:599] + right[600:]
    assert recall_at_errors(-np.arange(600), one_less, num_targets=1000).share == 0.501


def test_a_target_that_is_guessed_again_counts_once_and_every_error_counts() -> None:
    found = recall_at_errors(
        [5, 4, 3, 2, 1],
        [True, False, True, False, True],
        targets=[8, 12, 8, 12, 7],
        num_targets=2,
    )
    assert found == Recall(num_right=2, num_wrong=2, num_targets=2)


@pytest.mark.slow
def test_recall_is_that_of_going_through_the_guesses_one_by_one() -> None:
    """2,000 random lists, several guesses a target, scores all different."""
    random = np.random.default_rng(0)
    for _ in range(2000):
        number, num_targets = int(random.integers(1, 60)), int(random.integers(1, 20))
        targets = random.integers(num_targets, size=number)
        right = random.random(number) < random.random()
        scores, most = random.permutation(number), int(random.integers(1, 12))
        found, errors = set(), 0
        for guess in np.argsort(-scores):
            if errors == most:
                break
            if right[guess]:
                found.add(int(targets[guess]))
            else:
                errors += 1
        expected = Recall(num_right=len(found), num_wrong=errors, num_targets=num_targets)
        got = recall_at_errors(
            scores, right, targets=targets, num_targets=num_targets, max_errors=most
        )
        assert got == expected


def test_equal_scores_earn_no_credit() -> None:
    found = recall_at_errors([1, 1, 1], [True, True, False], num_targets=2, max_errors=1)
    assert found.num_right == 0


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(ValueError, match="a score that is a number"):
        recall_at_errors([float("nan")], [True], num_targets=1)
    with pytest.raises(ValueError, match="right of 2 targets, and there are 1"):
        recall_at_errors([1, 2], [True, True], num_targets=1)
    with pytest.raises(ValueError, match="right of 0 targets, and there are 0"):
        recall_at_errors([], [], num_targets=0)
    with pytest.raises(ValueError, match="2 guesses, and targets of shape"):
        recall_at_errors([1, 2], [True, True], num_targets=2, targets=[1])
    with pytest.raises(ValueError, match="max_errors=0"):
        recall_at_errors([1], [True], num_targets=1, max_errors=0)


@pytest.mark.parametrize(
    ("scores", "right"), [([2, 1], [True]), ([2], [True, False]), ([[2, 1]], [True, False])]
)
def test_as_many_scores_as_verdicts_are_needed(scores: list, right: list[bool]) -> None:
    with pytest.raises(ValueError, match="every guess needs a score that is a number"):
        recall_at_errors(scores, right, num_targets=2)
