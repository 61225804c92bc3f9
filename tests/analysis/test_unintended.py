"""mem_U by known answers: nothing for equals, the entropy for a table, a bit for a mixture."""

import numpy as np
import pytest

from rote.analysis.quantities.unintended import (
    heldout_samples,
    max_code_bits,
    mixture_code_bits,
    pair,
    scored_samples,
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


def test_another_corpus_is_refused() -> None:
    target = trained_samples(arrays([1], [1]), ORIGIN)
    with pytest.raises(ValueError, match="one corpus and one split"):
        pair(target, trained_samples(arrays([1], [1]), "corpus=d length=64 split_seed=0"))


def test_no_common_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="scored none of the target's samples"):
        pair(trained_samples(arrays([1], [1]), ORIGIN), scored_samples(arrays([2], [1]), ORIGIN))
