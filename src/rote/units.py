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
