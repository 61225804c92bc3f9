"""TF-IDF and shares by hand."""

import math

import numpy as np
import pytest

from rote.analysis.quantities.unintended import (
    character_shares,
    covariates_of,
    rare_token_shares,
    term_frequencies,
    tf_idf,
)

TEXTS = ["the cat sat", "the dog", "The zebu!"]


def test_tf_idf_is_the_mean_log_of_texts_over_occurrences() -> None:
    counts = term_frequencies(TEXTS)
    assert counts["the"] == 3 and counts["!"] == 1
    # (log 3/3 + log 3/1) / 2 and (log 3/3 + log 3/1 + log 3/1) / 3
    assert tf_idf("the dog", counts, 3) == pytest.approx(math.log(3) / 2)
    assert tf_idf("The zebu!", counts, 3) == pytest.approx(2 * math.log(3) / 3)
    assert tf_idf("", counts, 3) == 0


def test_character_shares() -> None:
    shares = character_shares("a1{é}")
    assert shares == {"non_ascii_share": 0.2, "digit_share": 0.2, "code_sign_share": 0.4}


def test_tokens_beyond_the_common_ones_are_rare() -> None:
    counts = np.array([600, 395, 4, 1])  # the first two make up 99.5 %
    tokens = np.array([[0, 0, 1, 1], [0, 2, 3, 3]])
    assert rare_token_shares(tokens, counts).tolist() == [0, 0.75]


def test_every_covariate_is_made_for_every_text() -> None:
    def made(texts: list[str]) -> dict[str, np.ndarray]:
        counted = {"frequencies": term_frequencies(TEXTS), "token_counts_V": np.array([12])}
        tokens = np.zeros((len(texts), 4), np.int64)
        return covariates_of(texts, tokens, num_texts=3, **counted)

    texts, none = made(["the " * 50, "the dog", "The zebu!"]), made([])
    assert {len(values) for values in texts.values()} == {3}
    assert texts["compressed_bytes"][0] < texts["text_bytes"][0] == 200
    assert list(none) == list(texts) and {len(values) for values in none.values()} == {0}
