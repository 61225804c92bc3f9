"""Bits and nats: the only place where the base of a logarithm is chosen."""

import math
from typing import Any, TypeVar

Quantity = TypeVar("Quantity")  # float, numpy array or tensor

NATS_PER_BIT = math.log(2)


def bits_from_nats(nats: Quantity) -> Quantity:
    """Convert code lengths; floats, arrays and tensors alike."""
    untyped: Any = nats
    return untyped / NATS_PER_BIT


def nats_from_bits(bits: Quantity) -> Quantity:
    """The inverse of `bits_from_nats`."""
    untyped: Any = bits
    return untyped * NATS_PER_BIT


def uniform_bits(num_symbols: int, vocab_size: int) -> float:
    """Entropy in bits of ``num_symbols`` independent uniform draws from ``vocab_size`` symbols."""
    return num_symbols * math.log2(vocab_size)


def uniform_ceiling_bits(num_sequences: float, length: int, vocab_size: int) -> float:
    """The most that can be memorised of distinct sequences of uniform tokens, in bits.

    N (S log2 V - log2 N): a model cannot know the order of a set (`rote.measures.cost`).
    """
    return num_sequences * (uniform_bits(length, vocab_size) - math.log2(num_sequences))


def sequences_holding(bits: float, length: int, vocab_size: int) -> int:
    """The number of distinct sequences of uniform tokens whose ceiling comes nearest to ``bits``.

    The ceiling grows up to V^S / e sequences, of which each holds log2 e bits. Raises ValueError
    for more bits than that many hold, and for bits that are not > 0.
    """
    per_sequence_bits, least_bits = uniform_bits(length, vocab_size), bits_from_nats(1.0)
    if not (bits > 0 and math.log2(bits / least_bits) <= per_sequence_bits - least_bits):
        raise ValueError(
            f"no set of sequences of {length} tokens over {vocab_size} symbols holds {bits:g} bits"
        )
    low, high = bits / per_sequence_bits, bits / least_bits  # if N were 1, and at the top
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if uniform_ceiling_bits(middle, length, vocab_size) < bits:
            low = middle
        else:
            high = middle
    return max(1, round(high))
