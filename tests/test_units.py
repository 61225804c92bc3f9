"""Bits and nats."""

import math

import numpy as np
import pytest

from rote.core.units import bits_from_nats, sequences_holding, uniform_bits, uniform_ceiling_bits


def test_a_fair_coin_is_one_bit() -> None:
    assert bits_from_nats(math.log(2)) == 1.0
    np.testing.assert_allclose(bits_from_nats(np.log([1.0, 2.0, 8.0])), [0.0, 1.0, 3.0])


def test_a_published_sequence_holds_704_bits() -> None:
    assert uniform_bits(64, 2048) == 704.0
    assert uniform_bits(63, 2048) == 693.0


def test_a_set_of_sequences_has_no_order_to_memorise() -> None:
    assert uniform_ceiling_bits(1, 64, 2048) == 704
    assert uniform_ceiling_bits(1024, 64, 2048) == 1024 * (704 - 10)
    assert uniform_ceiling_bits(64 * 64, 2, 64) == 0  # all that there are


@pytest.mark.parametrize("num_sequences", [1, 2, 105, 38_000, 4_000_000])
def test_the_sequences_that_hold_so_many_bits_are_found(num_sequences: int) -> None:
    for length, vocab_size in ((16, 64), (64, 2048), (2048, 50257)):
        bits = uniform_ceiling_bits(num_sequences, length, vocab_size)
        assert sequences_holding(bits, length, vocab_size) == num_sequences
    assert sequences_holding(1e-3, 16, 64) == 1


@pytest.mark.parametrize("bits", [0, -1, math.nan, 1e6])
def test_bits_that_no_set_holds_are_refused(bits: float) -> None:
    """All sets of two tokens over 64 symbols hold less than 64 * 64 / e * log2 e = 2,174 bits."""
    assert 1400 < sequences_holding(2173, 2, 64) < 64 * 64 / math.e
    with pytest.raises(ValueError, match="no set of sequences of 2 tokens over 64 symbols"):
        sequences_holding(bits, 2, 64)
