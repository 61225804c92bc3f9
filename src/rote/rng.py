"""One seed, many named independent streams: the same names give the same numbers on any machine."""

import hashlib

import torch


def stream_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on the run's seed and on what the stream is for."""
    text = "/".join(str(part) for part in ("rote", seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """A CPU generator on the named stream."""
    return torch.Generator().manual_seed(stream_seed(seed, *names))
