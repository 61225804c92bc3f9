"""Rankings of samples and rates of extraction, worked by hand.

(n, p)-discoverable extraction against arithmetic in high precision.
"""

import math

import mpmath
import numpy as np
import pytest

from rote.analysis.estimators import rate
from rote.analysis.quantities.generations import (
    Extraction,
    Generated,
    Ranked,
    drawings_in,
    generated,
    num_extractable,
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
    (name,) = drawings_in({**arrays, "cost.train_code_bits": np.zeros(1)})
    found = generated(arrays, name)
    assert found.rows_N.tolist() == [0, 1, 3]
    rankings = {name: scores.tolist() for name, scores in found.rankings.items()}
    assert rankings == {
        "perplexity": [-1.0, -2.0, -4.0],
        "window": [-1.0, -0.5, -2.0],
        "zlib": [-0.1, -0.2, -0.05],
        "lowercase": pytest.approx([3.0, 1.0, 2.5], rel=1e-6),
        "reference_small": pytest.approx([2.0, 1.0, 5.0], rel=1e-6),
    }


def test_what_a_ranking_finds(arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rote.analysis.quantities.generations.NUM_TAKEN", 2)
    monkeypatch.setattr("rote.analysis.quantities.generations.MAX_ERRORS", 1)
    found = generated(arrays, "top_k")
    assert found.is_memorised_N.tolist() == [False, True, True]
    assert (found.num_eidetic(1), found.num_eidetic(2), found.num_eidetic(3)) == (1, 1, 2)
    window = found.ranked("window")
    assert window.precision == rate(1, 2)
    assert window.precision_in_heldout == rate(1, 2)
    assert (window.num_found, window.num_memorised, window.recall) == (1, 2, 0.5)
    assert found.ranked("perplexity").num_found == 0


def test_equal_scores_earn_no_credit(arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rote.analysis.quantities.generations.NUM_TAKEN", 1)
    arrays["generation.top_k_nats"] = np.ones(4)
    assert generated(arrays, "top_k").ranked("perplexity").precision == rate(0, 1)


def test_nothing_memorised_is_no_recall_and_no_precision(arrays: Arrays) -> None:
    arrays["generation.top_k_documents"] = np.zeros(4, np.int64)
    ranked = generated(arrays, "top_k").ranked("zlib")
    assert ranked.recall is None
    assert ranked.precision == rate(0, 3)


def test_tokens_that_are_no_text_have_fewer_rankings(arrays: Arrays) -> None:
    of_text = ("zlib_bytes", "lowercase_nats", "lowercase_tokens")
    kept = {name: array for name, array in arrays.items() if not name.endswith(of_text)}
    assert set(generated(kept, "top_k").rankings) == {"perplexity", "window", "reference_small"}


def ordered(right: list[bool]) -> Ranked:
    """Samples that are guessed in this order."""
    documents_N = np.array(right, dtype=np.int64)
    return Generated(
        rows_N=np.arange(len(right)),
        documents_N=documents_N,
        heldout_documents_N=1 - documents_N,
        rankings={"given": -np.arange(len(right), dtype=np.float64)},
    ).ranked("given")


def test_a_right_guess_behind_the_hundredth_error_earns_nothing() -> None:
    right = [True] * 50 + [False] * 99 + [True] + [False] + [True] * 49
    found = ordered(right)
    assert (found.num_found, found.num_memorised, found.recall) == (51, 100, 0.51)
    assert (found.precision, found.precision_in_heldout) == (rate(50, 100), rate(50, 100))


def test_the_excess_is_train_less_heldout_and_0_where_nothing_is_extracted() -> None:
    both = Extraction(train=rate(80, 100), heldout=rate(20, 100))
    low, high = both.excess.ends
    assert both.excess.value == pytest.approx(0.6)
    assert 0.4 < low < 0.6 < high < 0.8
    assert both.explained_by_heldout == pytest.approx(0.25)
    none = Extraction(train=rate(0, 50), heldout=rate(0, 50))
    assert (none.explained_by_heldout, none.excess.sign) == (None, 0)


LOGS = [0.0, -1e-12, -0.5, -10.0, -36.9, -37.1, -100.0, -740.0]


def exact(log_p: float, number: float) -> float:
    """1 - (1 - p)^n with 400 digits."""
    with mpmath.workdps(400):
        return float(1 - (1 - mpmath.exp(log_p)) ** mpmath.mpf(number))


@pytest.mark.parametrize("number", [1, 2, 1000, 1e15, 1e40])
def test_counts_are_exact_where_powers_underflow(number: float) -> None:
    for probability in (0.1, 0.5, 0.999):
        expected = sum(exact(log_p, number) >= probability for log_p in LOGS)
        assert num_extractable(LOGS, number, probability) == expected


def test_known_answers() -> None:
    logs = [0.0, math.log(0.5), -math.inf]
    assert num_extractable(logs, 2, 0.75) == 2
    assert num_extractable(logs, 2, 0.76) == 1
    assert num_extractable(logs, 3, 0.76) == 2
    assert num_extractable([-2000.0], 1e300, 0.5) == 0


def test_as_few_samples_as_the_probability_takes_are_enough() -> None:
    logs = np.log(np.random.default_rng(0).uniform(1e-6, 0.9, 50))
    for probability in (0.1, 0.5, 0.999):
        for log_p in logs:
            needed = math.ceil(math.log1p(-probability) / math.log1p(-math.exp(log_p)))
            assert num_extractable([log_p], needed, probability) == 1
            assert needed == 1 or num_extractable([log_p], needed - 1, probability) == 0


def test_what_is_no_probability_is_refused() -> None:
    for wrong in ([0.1], [math.nan]):
        with pytest.raises(ValueError, match="ln p must be 0 or below"):
            num_extractable(wrong, 1, 0.5)
    with pytest.raises(ValueError, match="samples must be above 0, got -1"):
        num_extractable([-1.0], -1, 0.5)
    with pytest.raises(ValueError, match="between 0 and 1, got 1"):
        num_extractable([-1.0], 1, 1)
