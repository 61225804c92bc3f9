"""Deduplicate training sequences: keep the first of equal ones.

Source: Lee et al. 2022 (arXiv 2107.06499), here for whole sequences. Measures still read the task's
own sequences, repeats included. Shapes: B sequences at once, L tokens in each.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch

from rote.tasks.protocol import Sequences
from rote.training.data import subset_of

TOKENS_AT_ONCE = 1 << 22  # 32 MiB of int64
DIGEST_BYTES = 16  # two of 2^64 sequences are likely to share a digest


@dataclass(frozen=True, kw_only=True)
class Deduplication:
    """Deduplication has no settings: sequences are equal if all their tokens are."""

    def change_sequences(self, sequences: Sequences, *, length: int) -> Sequences:
        """Return each distinct sequence once, in the order of first appearances."""
        firsts = _first_indices(sequences, max(1, TOKENS_AT_ONCE // length))
        if len(firsts) == sequences.num_sequences:
            return sequences
        return subset_of(sequences, np.array(firsts))


def _first_indices(sequences: Sequences, at_once: int) -> list[int]:
    firsts: dict[bytes, int] = {}
    for start in range(0, sequences.num_sequences, at_once):
        stop = min(start + at_once, sequences.num_sequences)
        rows_BL = sequences.tokens(torch.arange(start, stop)).numpy()
        for number, row_L in enumerate(rows_BL, start):
            firsts.setdefault(hashlib.blake2b(row_L, digest_size=DIGEST_BYTES).digest(), number)
    return list(firsts.values())
