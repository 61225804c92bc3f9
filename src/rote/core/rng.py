"""Derive independent named random streams from one seed, the same on every machine."""

import hashlib

import torch
from torch import Tensor

LOW_32 = 0xFFFFFFFF


def stream_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed derived from the run's seed and the names of the stream."""
    text = "/".join(str(part) for part in ("rote", seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator for the named stream; CPU and GPU draw different numbers from it."""
    return torch.Generator(device).manual_seed(stream_seed(seed, *names))


def random_32_bits(counters: Tensor, key: int) -> Tensor:
    """Hash each int64 counter to a number in [0, 2^32).

    The upper half of SplitMix64 (Steele, Lea and Flood 2014); it relies on int64 wrap-around.
    """
    mixed = counters * signed(0x9E3779B97F4A7C15) + signed(key)
    mixed = (mixed ^ _shift_right(mixed, 30)) * signed(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ _shift_right(mixed, 27)) * signed(0x94D049BB133111EB)
    mixed = mixed ^ _shift_right(mixed, 31)
    return (mixed >> 32) & LOW_32


def signed(value: int) -> int:
    """Return the int64 that has the same 64 bits as the unsigned ``value``."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _shift_right(values: Tensor, num_bits: int) -> Tensor:
    """Shift logically (torch's own shift is arithmetic)."""
    return (values >> num_bits) & ((1 << (64 - num_bits)) - 1)
