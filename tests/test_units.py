"""Bits and nats."""

import math

import numpy as np

from rote.units import bits_from_nats, uniform_bits


def test_a_fair_coin_is_one_bit() -> None:
    assert bits_from_nats(math.log(2)) == 1.0
    np.testing.assert_allclose(bits_from_nats(np.log([1.0, 2.0, 8.0])), [0.0, 1.0, 3.0])


def test_a_published_sequence_holds_704_bits() -> None:
    assert uniform_bits(64, 2048) == 704.0
    assert uniform_bits(63, 2048) == 693.0
