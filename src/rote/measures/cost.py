"""Compute the code length of every training and held-out sequence, in bits, over scored tokens.

Scores are computed in float32 and summed in float64: accumulating in bfloat16 is 2-4 % off, which
hides a plateau. The module also computes the shortest code that any model can have of a training
set, which bounds what a model can memorise: a model gives a probability to a sequence, not to its
place in the training set. If c of the n training sequences that share a prompt are copies of one
sequence, the probabilities of what follows the prompt add to at most 1, so the code is shortest
where each has c / n, and then takes log2(n / c) bits a sequence (Gibbs' inequality). N distinct
sequences without a prompt take N log2 N bits.

Shapes: H hashes, N sequences, B batch, L positions.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rote.core.rng import random_32_bits, stream_seed
from rote.core.units import bits_from_nats
from rote.measures.protocol import Measurement
from rote.models.likelihood import token_nats
from rote.tasks.protocol import Identified, Sequences, Task, scored_from

TOKENS_PER_BATCH = 1 << 22  # 32 MiB of int64
# Two multilinear hashes modulo 2^64 stand for a sequence. Two different sequences differ somewhere
# by a number below V, so fewer than V of the 2^64 factors of that position make the sums equal.
# Both hashes collide for one pair in (2^64 / V)^2: with 2^30 sequences of 2^17 symbols, any of the
# 2^59 pairs collides with a probability of 2^-35.
NUM_HASHES = 2


@torch.inference_mode()
def least_code_bits(sequences: Sequences, task: Task, *, device: torch.device) -> float:
    """Return the sum over sequences of log2(n / c), in bits; 16 to 32 bytes a sequence are held."""
    start = scored_from(task)
    factors_HL = _factors(task.length).to(device)
    ends = [task.length, start] if start else [task.length]
    hashes = [np.empty((NUM_HASHES, sequences.num_sequences), dtype=np.int64) for _ in ends]
    size = max(1, TOKENS_PER_BATCH // task.length)
    for rows, tokens_BL in token_batches(sequences, sequences.num_sequences, task, device, size):
        for end, hash_HN in zip(ends, hashes, strict=True):
            products_HBL = factors_HL[:, None, :end] * tokens_BL[None, :, :end]
            hash_HN[:, rows] = products_HBL.sum(dim=2).cpu().numpy()
    copies_bits = _count_bits(hashes[0])
    if start:
        return _count_bits(hashes[1]) - copies_bits
    return sequences.num_sequences * float(np.log2(sequences.num_sequences)) - copies_bits


def _factors(length: int) -> Tensor:
    """Return random int64 factors [H, L]; int64 sums and products wrap modulo 2^64, as intended."""
    positions_L = torch.arange(length)
    halves = [
        random_32_bits(positions_L, stream_seed(0, "least code", index))
        for index in range(2 * NUM_HASHES)
    ]
    high_HL, low_HL = torch.stack(halves).chunk(2)
    return high_HL << 32 | low_HL


def _count_bits(hash_HN: np.ndarray) -> float:
    """Return the sum of n log2 n over the groups of equal columns, where n is a group's size."""
    sorted_HN = hash_HN[:, np.lexsort(hash_HN)]
    is_new = (sorted_HN[:, 1:] != sorted_HN[:, :-1]).any(axis=0)
    starts = np.flatnonzero(np.concatenate([[True], is_new, [True]]))
    counts = np.diff(starts)
    return float((counts * np.log2(counts)).sum())


LOGITS_PER_BATCH = 1 << 24  # 64 MiB of float32 logits: a bound on memory, whatever V and S are
CPU_LOGITS_PER_BATCH = 1 << 22  # 16 MiB stay in a cache until the softmax reads them


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Measures -log2 p of each sequence: its code length for a receiver who has the model."""

    def __call__(
        self, model: nn.Module, task: Task, *, seed: int, device: torch.device
    ) -> Measurement:
        """Return totals and arrays for both splits, under both conventions for the first token.

        Where a prompt is not scored, only one convention exists: the first token is not scored.
        No model's code of the training set is shorter than ``train_least_code_bits``.
        """
        totals: dict[str, float] = {}
        arrays: dict[str, np.ndarray] = {}
        for split, sequences in (("train", task.train(seed)), ("heldout", task.heldout(seed))):
            all_N, first_N = sequence_code_bits(model, sequences, task, device=device)
            coded = {f"{split}_code_bits": all_N}
            if scored_from(task) == 0:
                coded[f"{split}_first_token_code_bits"] = first_N
            totals |= {name: float(bits_N.sum()) for name, bits_N in coded.items()}
            totals |= {
                f"{split}_sequences": sequences.num_sequences,
                f"{split}_tokens": num_scored_tokens(sequences.num_sequences, task),
            }
            arrays |= {name: bits_N.astype(np.float32) for name, bits_N in coded.items()}
            if split == "train":
                least_bits = least_code_bits(sequences, task, device=device)
                totals["train_least_code_bits"] = least_bits
            if isinstance(sequences, Identified):
                arrays[f"{split}_sample_ids"] = sequences.sample_ids
        return Measurement(totals=totals, arrays=arrays)


def num_scored_tokens(num_sequences: int, task: Task) -> int:
    """Return the number of tokens over which code lengths of so many sequences are summed."""
    return num_sequences * (task.length - scored_from(task))


@torch.inference_mode()
def sequence_code_bits(
    model: nn.Module,
    sequences: Sequences,
    task: Task,
    *,
    device: torch.device,
    number: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the code length of each sequence's scored tokens and of its first token, float64 [N].

    Of the first ``number`` sequences, or of all. Results go into tensors allocated beforehand:
    small tensors that outlive a batch would be cut from the memory that large ones freed, and every
    batch would then allocate its logits anew.
    """
    num_sequences, start = number or sequences.num_sequences, scored_from(task)
    whole_N = torch.empty(num_sequences, dtype=torch.float64, device=device)
    first_N = torch.empty_like(whole_N)
    for rows, tokens_BL in token_batches(sequences, num_sequences, task, device):
        nats_BL = token_nats(model, tokens_BL)
        assert nats_BL.dtype == torch.float32, nats_BL.dtype
        whole_N[rows] = nats_BL[:, start:].sum(dim=1, dtype=torch.float64)
        first_N[rows] = nats_BL[:, 0]
    return _bits(whole_N), _bits(first_N)


def rows_per_batch(length: int, vocab_size: int, device: torch.device) -> int:
    """Return how many rows of ``length`` tokens keep their logits within a bound."""
    logits = CPU_LOGITS_PER_BATCH if device.type == "cpu" else LOGITS_PER_BATCH
    return max(1, logits // (length * vocab_size))


def batches(number: int, size: int) -> Iterator[slice]:
    """Yield slices of ``number`` rows, ``size`` at a time."""
    for start in range(0, number, size):
        yield slice(start, min(start + size, number))


def token_batches(
    sequences: Sequences, number: int, task: Task, device: torch.device, size: int | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """Yield the rows and tokens [B, L] of the first sequences; by `rows_per_batch`, or ``size``."""
    size = size or rows_per_batch(task.length, task.vocab_size, device)
    for rows in batches(number, size):
        yield rows, sequences.tokens(torch.arange(rows.start, rows.stop, device=device))


def _bits(nats_N: Tensor) -> np.ndarray:
    return np.asarray(bits_from_nats(nats_N.cpu().numpy()))
