"""Which windows are trained on, held out, kept for references; and in which order.

Everything here is a function of a window's (or document's) number and a key: no state, the same on
any machine. Shapes: N numbers.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rote.core.rng import stream_seed
from rote.tasks.text.prepared import open_prepared

NAMES = ("train", "heldout", "reference")
SPLIT_BY = ("window", "document")


@dataclass(frozen=True, kw_only=True)
class Pools:
    """How windows go to the three pools; raises ValueError where nothing is left to train."""

    seed: int
    by: str
    heldout_share: float
    reference_share: float

    def __post_init__(self) -> None:
        if self.by not in SPLIT_BY:
            raise ValueError(f"task.split_by must be one of {SPLIT_BY}, got {self.by!r}")
        for name in ("heldout_share", "reference_share"):
            if not _is_share(getattr(self, name)):
                raise ValueError(f"task.{name} must be from 0 to 1, got {getattr(self, name)!r}")
        if self.heldout_share + self.reference_share >= 1:
            raise ValueError("task.heldout_share and task.reference_share leave nothing to train")


@lru_cache(maxsize=2)  # a run asks for its pools several times
def pools(corpus: str, split: Pools) -> dict[str, np.ndarray]:
    """The sample ids of each pool, int64, in the order of the corpus."""
    prepared = open_prepared(corpus)
    numbers_N = np.arange(prepared.num_windows)
    if split.by == "document":
        numbers_N = prepared.documents()
    draws_N = _random_64_bits(numbers_N, stream_seed(split.seed, "text", "pools", corpus))
    uniform_N = (draws_N >> np.uint64(11)) * 2.0**-53
    outside = split.heldout_share + split.reference_share
    is_heldout_N = uniform_N < split.heldout_share
    is_train_N = uniform_N >= outside
    members = (is_train_N, is_heldout_N, ~is_train_N & ~is_heldout_N)
    return {name: np.flatnonzero(member) for name, member in zip(NAMES, members, strict=True)}


def shuffled(ids_N: np.ndarray, key: int) -> np.ndarray:
    """The same ids [N] in the order that ``key``, 64 bits, says."""
    return ids_N[np.argsort(_random_64_bits(ids_N, key), kind="stable")]


def _random_64_bits(counters_N: np.ndarray, key: int) -> np.ndarray:
    """SplitMix64 (Steele, Lea and Flood 2014) at these counters, uint64 [N]."""
    mixed = counters_N.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _is_share(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= 1  # type: ignore[operator]
