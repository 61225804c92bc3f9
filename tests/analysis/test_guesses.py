"""Recall of ranked guesses, worked by hand."""

import pytest

from rote.analysis.quantities.guesses import Recall, recall_at_errors


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


@pytest.mark.parametrize(
    ("scores", "right"), [([2, 1], [True]), ([2], [True, False]), ([[2, 1]], [True, False])]
)
def test_as_many_scores_as_verdicts_are_needed(scores: list, right: list[bool]) -> None:
    with pytest.raises(ValueError, match="every guess needs a score that is a number"):
        recall_at_errors(scores, right, num_targets=2)
