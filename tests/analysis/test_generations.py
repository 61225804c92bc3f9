"""Rankings of samples, worked by hand."""

import numpy as np
import pytest

from rote.analysis.estimators import rate
from rote.analysis.quantities.generations import (
    Recall,
    drawings_in,
    generated,
    recall_at_errors,
)

Arrays = dict[str, np.ndarray]


@pytest.fixture
def arrays() -> Arrays:
    """Four samples of two tokens, the third a near-duplicate of the first."""
    pieces = {
        "tokens": np.zeros((4, 2), np.uint8),
        "nats": [2.0, 4.0, 2.0, 8.0],
        "window_nats": [1.0, 0.5, 1.0, 2.0],
        "zlib_bytes": [10, 10, 10, 80],
        "lowercase_nats": [6.0, 4.0, 6.0, 30.0],
        "lowercase_tokens": [2, 2, 2, 3],
        "reference_small_nats": [4.0, 4.0, 4.0, 40.0],
        "documents": [0, 1, 0, 3],
        "heldout_documents": [1, 0, 1, 0],
        "is_distinct": [1, 1, 0, 1],
    }
    return {f"generation.top_k_{name}": np.asarray(piece) for name, piece in pieces.items()}


def test_near_duplicates_are_left_out_and_each_ranking_is_its_own(arrays: Arrays) -> None:
    found = generated(arrays, "top_k")
    assert found.rows_N.tolist() == [0, 1, 3]
    rankings = {name: scores.tolist() for name, scores in found.rankings.items()}
    assert rankings == {
        "perplexity": [-1.0, -2.0, -4.0],
        "window": [-1.0, -0.5, -2.0],
        "zlib": [-0.1, -0.2, -0.05],
        "lowercase": pytest.approx([3.0, 1.0, 2.5], rel=1e-6),
        "reference_small": pytest.approx([2.0, 1.0, 5.0], rel=1e-6),
    }
    assert found.first("reference_small", 2).tolist() == [3, 0]
    assert found.first("zlib").tolist() == [3, 0, 1]


def test_what_a_ranking_finds(arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rote.analysis.quantities.generations.NUM_TAKEN", 2)
    monkeypatch.setattr("rote.analysis.quantities.generations.MAX_ERRORS", 1)
    found = generated(arrays, "top_k")
    assert found.is_memorised_N.tolist() == [False, True, True]
    assert (found.num_eidetic(1), found.num_eidetic(2), found.num_eidetic(3)) == (1, 1, 2)
    window = found.ranked("window")
    assert window.precision == rate(1, 2)
    assert window.precision_in_heldout == rate(1, 2)
    assert window.recall == Recall(num_right=1, num_wrong=1, num_targets=2)
    assert found.ranked("perplexity").recall == Recall(num_right=0, num_wrong=1, num_targets=2)


def test_equal_scores_earn_no_credit(arrays: Arrays) -> None:
    arrays["generation.top_k_nats"] = np.ones(4)
    found = generated(arrays, "top_k")
    assert found.first("perplexity", 1).tolist() == [0]


def test_nothing_memorised_is_no_recall_and_no_precision(arrays: Arrays) -> None:
    arrays["generation.top_k_documents"] = np.zeros(4, np.int64)
    ranked = generated(arrays, "top_k").ranked("zlib")
    assert ranked.recall is None
    assert ranked.precision == rate(0, 3)


def test_tokens_that_are_no_text_have_fewer_rankings(arrays: Arrays) -> None:
    of_text = ("zlib_bytes", "lowercase_nats", "lowercase_tokens")
    kept = {name: array for name, array in arrays.items() if not name.endswith(of_text)}
    assert set(generated(kept, "top_k").rankings) == {"perplexity", "window", "reference_small"}


def test_drawings_are_named_and_another_name_is_refused(arrays: Arrays) -> None:
    assert drawings_in({**arrays, "cost.train_code_bits": np.zeros(1)}) == ["top_k"]
    with pytest.raises(ValueError, match=r"no drawing 'prompted' in these arrays, only \['top_k'"):
        generated(arrays, "prompted")


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


def test_equally_scored_guesses_earn_no_credit() -> None:
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
