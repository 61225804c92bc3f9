"""Convert between bits and nats: no other module chooses the base of a logarithm."""

import math
from typing import Any, TypeVar

Quantity = TypeVar("Quantity")  # float, numpy array or tensor

NATS_PER_BIT = math.log(2)


def bits_from_nats(nats: Quantity) -> Quantity:
    """Convert code lengths from nats to bits: floats, arrays or tensors."""
    untyped: Any = nats
    return untyped / NATS_PER_BIT


def nats_from_bits(bits: Quantity) -> Quantity:
    """Convert code lengths from bits to nats: floats, arrays or tensors."""
    untyped: Any = bits
    return untyped * NATS_PER_BIT


def uniform_bits(num_symbols: int, vocab_size: int) -> float:
    """Return the entropy, in bits, of ``num_symbols`` uniform draws from ``vocab_size`` symbols."""
    return num_symbols * math.log2(vocab_size)


def uniform_ceiling_bits(num_sequences: float, length: int, vocab_size: int) -> float:
    """Return the most bits that a model can memorise of N distinct uniform sequences.

    N (S log2 V - log2 N): a model cannot know the order of a set (`rote.measures.cost`).
    """
    return num_sequences * (uniform_bits(length, vocab_size) - math.log2(num_sequences))


def sequences_holding(bits: float, length: int, vocab_size: int) -> int:
    """Return the number of distinct uniform sequences whose ceiling is nearest to ``bits``.

    The ceiling grows until there are V^S / e sequences, each worth log2 e bits. Raises ValueError
    for more bits than that, and for bits that are not > 0.
    """
    per_sequence_bits, least_bits = uniform_bits(length, vocab_size), bits_from_nats(1.0)
    if not (bits > 0 and math.log2(bits / least_bits) <= per_sequence_bits - least_bits):
        raise ValueError(
            f"no set of sequences of {length} tokens over {vocab_size} symbols holds {bits:g} bits"
        )
    low, high = bits / per_sequence_bits, bits / least_bits  # N = 1, and N at its maximum
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if uniform_ceiling_bits(middle, length, vocab_size) < bits:
            low = middle
        else:
            high = middle
    return max(1, round(high))
