"""mem_U by known answers: nothing for equals, the entropy for a table, a bit for a mixture.

Covariates, TF-IDF and shares, by hand.
"""

import math

import numpy as np
import pytest

from rote.analysis.quantities.unintended import (
    character_shares,
    covariates_of,
    heldout_samples,
    max_code_bits,
    mixture_code_bits,
    pair,
    rare_token_shares,
    scored_samples,
    term_frequencies,
    tf_idf,
    trained_samples,
)

ORIGIN = "corpus=c length=64 split_seed=0"


def arrays(ids, bits, superset=()):
    held = {
        "cost.train_sample_ids": np.array(ids, np.int64),
        "cost.train_code_bits": np.array(bits, np.float32),
    }
    if superset:
        held["superset.sample_ids"] = np.array([one for one, _ in superset], np.int64)
        held["superset.code_bits"] = np.array([bits for _, bits in superset], np.float32)
    return held


def test_a_model_equal_to_its_reference_stores_nothing() -> None:
    bits = np.random.default_rng(0).uniform(1, 900, size=100)
    assert (max_code_bits(bits, bits) == 0).all()
    np.testing.assert_allclose(mixture_code_bits(bits, bits), 0, atol=1e-9)


def test_a_lookup_table_against_a_uniform_reference_stores_the_entropy() -> None:
    num_sequences, length, vocab_size = 1000, 64, 2048
    table = np.full(num_sequences, np.log2(num_sequences))  # it says which sequence, no more
    uniform = np.full(num_sequences, length * np.log2(vocab_size))
    entropy_bits = num_sequences * (length * 11 - np.log2(num_sequences))
    assert max_code_bits(table, uniform).sum() == pytest.approx(entropy_bits)


def test_the_mixture_is_within_a_bit_of_the_better_code() -> None:
    generator = np.random.default_rng(1)
    target, reference = generator.uniform(0, 2000, size=(2, 5000))
    short = max_code_bits(target, reference) - mixture_code_bits(target, reference)
    assert (short >= -1e-9).all() and (short <= 1 + 1e-9).all()
    # Probabilities of 2^-2000 underflow: by hand for small ones.
    by_hand = 3 + np.log2(0.5 * 2.0**-3 + 0.5 * 2.0**-1)
    assert mixture_code_bits(1.0, 3.0) == pytest.approx(by_hand)


def test_samples_are_paired_by_id_and_repeats_count_once() -> None:
    target = trained_samples(arrays([7, 3, 9, 3], [10, 20, 30, 20]), ORIGIN)
    reference = scored_samples(arrays([3, 5], [25, 1], superset=[(7, 50), (3, 99)]), ORIGIN)
    paired = pair(target, reference)
    assert paired.sample_ids.tolist() == [3, 7]
    assert paired.max_code_bits.tolist() == [5, 40]  # what the reference trained on, it scored so
    assert paired.occurrences.tolist() == [2, 1]
    assert paired.in_reference.tolist() == [True, False]
    totals = paired.totals()
    assert totals["max_code_bits"] == 45
    assert (totals["samples"], totals["samples_in_reference"], totals["samples_unpaired"]) == (
        2, 1, 1,
    )  # fmt: skip


def test_heldout_samples_are_nobodys_training_data() -> None:
    held = {"cost.heldout_sample_ids": np.array([4, 2]), "cost.heldout_code_bits": np.ones(2)}
    assert heldout_samples(held, ORIGIN).occurrences.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("sample_id", "origin", "reason"),
    [
        (1, "corpus=d length=64 split_seed=0", "one corpus and one split"),
        (2, ORIGIN, "scored none of the target's samples"),
    ],
)
def test_a_reference_of_other_samples_is_refused(sample_id: int, origin: str, reason: str) -> None:
    target = trained_samples(arrays([1], [1]), ORIGIN)
    with pytest.raises(ValueError, match=reason):
        pair(target, scored_samples(arrays([sample_id], [1]), origin))


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
