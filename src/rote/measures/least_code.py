"""The shortest code that any model can have of a training set: what it can never memorise.

A model gives a probability to a sequence, not to its place in the training set. Of the n training
sequences that share a prompt, c are copies of one; the probabilities of what follows the prompt add
to at most 1, so the code is shortest where each has c / n, and then takes log2(n / c) bits a
sequence (Gibbs' inequality). N distinct sequences without a prompt take N log2 N bits.

Shapes: N sequences, B batch, L positions.
"""

import numpy as np
import torch
from torch import Tensor

from rote.core.rng import random_32_bits, stream_seed
from rote.tasks.protocol import Sequences, Task, scored_from

TOKENS_PER_BATCH = 1 << 22  # 32 MiB of int64
# Two multilinear hashes modulo 2^64 stand for a sequence. Two different ones differ somewhere by a
# number below V, so that of the 2^64 factors of that place fewer than V make the sums equal: both
# hashes do for one pair in (2^64 / V)^2. With 2^30 sequences of 2^17 symbols any of the 2^59 pairs
# does so with a probability of 2^-35.
NUM_HASHES = 2


@torch.inference_mode()
def least_code_bits(sequences: Sequences, task: Task, *, device: torch.device) -> float:
    """Sum over the sequences of log2(n / c), in bits; 16 to 32 bytes a sequence are held."""
    start = scored_from(task)
    factors_HL = _factors(task.length).to(device)
    ends = [task.length, start] if start else [task.length]
    hashes = [np.empty((NUM_HASHES, sequences.num_sequences), dtype=np.int64) for _ in ends]
    size = max(1, TOKENS_PER_BATCH // task.length)
    for first in range(0, sequences.num_sequences, size):
        last = min(first + size, sequences.num_sequences)
        tokens_BL = sequences.tokens(torch.arange(first, last, device=device))
        for end, hash_HN in zip(ends, hashes, strict=True):
            products_HBL = factors_HL[:, None, :end] * tokens_BL[None, :, :end]
            hash_HN[:, first:last] = products_HBL.sum(dim=2).cpu().numpy()
    copies_bits = _count_bits(hashes[0])
    if start:
        return _count_bits(hashes[1]) - copies_bits
    return sequences.num_sequences * float(np.log2(sequences.num_sequences)) - copies_bits


def _factors(length: int) -> Tensor:
    """Random int64 [H, L]; sums and products of int64 wrap, as they have to modulo 2^64."""
    positions_L = torch.arange(length)
    halves = [
        random_32_bits(positions_L, stream_seed(0, "least code", index))
        for index in range(2 * NUM_HASHES)
    ]
    high_HL, low_HL = torch.stack(halves).chunk(2)
    return high_HL << 32 | low_HL


def _count_bits(hash_HN: np.ndarray) -> float:
    """Sum of n log2 n over the groups of equal columns, n of them in each."""
    sorted_HN = hash_HN[:, np.lexsort(hash_HN)]
    is_new = (sorted_HN[:, 1:] != sorted_HN[:, :-1]).any(axis=0)
    starts = np.flatnonzero(np.concatenate([[True], is_new, [True]]))
    counts = np.diff(starts)
    return float((counts * np.log2(counts)).sum())
