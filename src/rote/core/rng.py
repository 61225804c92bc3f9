"""One seed, many named independent streams: the same names give the same numbers on any machine."""

import hashlib

import torch
from torch import Tensor

LOW_32 = 0xFFFFFFFF


def stream_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on the run's seed and on what the stream is for."""
    text = "/".join(str(part) for part in ("rote", seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator on the named stream; what a CPU and a GPU draw from one stream differs."""
    return torch.Generator(device).manual_seed(stream_seed(seed, *names))


def random_32_bits(counters: Tensor, key: int) -> Tensor:
    """Of each int64, a number in [0, 2^32): SplitMix64 (Steele, Lea and Flood 2014), upper half.

    int64 arithmetic wraps as it needs.
    """
    mixed = counters * signed(0x9E3779B97F4A7C15) + signed(key)
    mixed = (mixed ^ _shift_right(mixed, 30)) * signed(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ _shift_right(mixed, 27)) * signed(0x94D049BB133111EB)
    mixed = mixed ^ _shift_right(mixed, 31)
    return (mixed >> 32) & LOW_32


def signed(value: int) -> int:
    """The int64 with these 64 bits."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _shift_right(values: Tensor, num_bits: int) -> Tensor:
    """Logical shift: torch's is arithmetic."""
    return (values >> num_bits) & ((1 << (64 - num_bits)) - 1)
