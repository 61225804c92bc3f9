"""Provide training sequences on the device, subsets of them, and the order of reading.

Sequences are made once if they fit into memory, else for each batch. The batch of a step is a pure
function of (seed, step): a run that resumes at any step reads the same batches as without a break.

Shapes: N sequences, or those of a subset, B sequences of a batch, L tokens in each, T steps;
for stacks K runs, M sequences of all runs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rote.core.rng import generator
from rote.tasks.protocol import Identified, Sequences

RESIDENT_TOKENS = 1 << 25  # 256 MiB of int64


@dataclass(frozen=True)
class TokensInMemory:
    """Sequences held as one tensor, because indexing is cheaper than making them again."""

    tokens_NL: Tensor

    @property
    def num_sequences(self) -> int:
        """Return the number of sequences."""
        return self.tokens_NL.shape[0]

    def tokens(self, indices_B: Tensor) -> Tensor:
        """[B] -> [B, L]."""
        return self.tokens_NL[indices_B]


@dataclass(frozen=True)
class StackedTokens:
    """Sequences of several runs in one tensor: one call reads a batch of each."""

    tokens_ML: Tensor
    starts_K: Tensor  # int64

    @classmethod
    def of(cls, runs: Sequence[TokensInMemory]) -> "StackedTokens":
        """Concatenate the sequences of runs; all must have one length."""
        whole_ML = torch.cat([one.tokens_NL for one in runs])
        counts_K = torch.tensor([one.num_sequences for one in runs])
        return cls(whole_ML, (counts_K.cumsum(0) - counts_K).to(whole_ML.device))

    def tokens(self, indices_KB: Tensor) -> Tensor:
        """Return the tokens of each run, [K, B] -> [K, B, L]."""
        return self.tokens_ML[indices_KB + self.starts_K[:, None]]

    def keep(self, runs: Sequence[int]) -> "StackedTokens":
        """Keep only these runs, in this order."""
        return StackedTokens(self.tokens_ML, self.starts_K[list(runs)])


def on_device(sequences: Sequences, *, length: int, device: torch.device) -> Sequences:
    """Return the same sequences, held on ``device`` if they fit."""
    if sequences.num_sequences * length > RESIDENT_TOKENS:
        return sequences
    return TokensInMemory(sequences.tokens(torch.arange(sequences.num_sequences, device=device)))


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Some of a set of sequences, renumbered in the order of ``index_N``."""

    sequences: Sequences
    index_N: np.ndarray  # int64 indices into the sequences

    @property
    def num_sequences(self) -> int:
        """Return the number of sequences in the subset."""
        return len(self.index_N)

    def tokens(self, indices_B: Tensor) -> Tensor:
        """[B] -> [B, L] int64."""
        chosen_B = torch.from_numpy(self.index_N[indices_B.cpu().numpy()])
        return self.sequences.tokens(chosen_B.to(indices_B.device))


@dataclass(frozen=True, kw_only=True)
class IdentifiedSubset(Subset):
    """A `Subset` whose sequences carry ids, because other runs may have them too."""

    sample_ids: np.ndarray


def subset_of(sequences: Sequences, index_N: np.ndarray) -> Subset:
    """Return a subset, with ids if the sequences have ids."""
    if isinstance(sequences, Identified):
        sample_ids = sequences.sample_ids[index_N]
        return IdentifiedSubset(sequences=sequences, index_N=index_N, sample_ids=sample_ids)
    return Subset(sequences=sequences, index_N=index_N)


class Order(Protocol):
    """Decides which sequences each step reads."""

    @property
    def batch_size(self) -> int:
        """Return the number of sequences a step, or its mean."""

    def read(self, steps: range, *, share: slice, device: torch.device) -> Iterable[Tensor]:
        """Return this process's ``share`` of the indices read at each of ``steps``, int64."""

    def batches(self, steps: range) -> float:
        """Return the sequences read at ``steps`` over the batch size."""


class BatchOrder:
    """Epochs, each freshly permuted, cut into batches of equal size that may span two epochs."""

    def __init__(self, *, num_sequences: int, batch_size: int, seed: int) -> None:
        self.num_sequences = num_sequences
        self.batch_size = min(batch_size, num_sequences)
        self.seed = seed
        self._epochs: dict[int, Tensor] = {}

    def read(self, steps: range, *, share: slice, device: torch.device) -> Iterable[Tensor]:
        """Return [B] indices for each step, or this process's share of them."""
        return self.indices(steps)[:, share].to(device)

    def batches(self, steps: range) -> float:
        """Return one batch for each step."""
        return len(steps)

    def indices(self, steps: range) -> Tensor:
        """Return the indices read at ``steps``, int64 [T, B], on the CPU."""
        if not steps:
            return torch.empty(0, self.batch_size, dtype=torch.int64)
        start, stop = steps.start * self.batch_size, steps.stop * self.batch_size
        first, last = start // self.num_sequences, (stop - 1) // self.num_sequences
        self._epochs = {epoch: self._epoch(epoch) for epoch in range(first, last + 1)}
        stream = torch.cat(list(self._epochs.values()))
        offset = first * self.num_sequences
        return stream[start - offset : stop - offset].view(len(steps), self.batch_size)

    def _epoch(self, epoch: int) -> Tensor:
        """Return an epoch's permutation, cached while the next steps may still read from it."""
        if epoch in self._epochs:
            return self._epochs[epoch]
        return torch.randperm(self.num_sequences, generator=generator(self.seed, "order", epoch))


class PoissonOrder:
    """Each step reads each sequence with the same probability, independently of all others.

    The accounting of differential privacy assumes this; batches of shuffled epochs differ from it
    (Chua et al. 2024, arXiv 2403.17673). A batch may be empty.
    """

    def __init__(self, *, num_sequences: int, batch_size: int, seed: int) -> None:
        self.num_sequences = num_sequences
        self.batch_size = min(batch_size, num_sequences)
        self.seed = seed

    @property
    def sample_rate(self) -> float:
        """Return the probability that a step reads a sequence."""
        return self.batch_size / self.num_sequences

    def read(self, steps: range, *, share: slice, device: torch.device) -> Iterable[Tensor]:
        """Return index tensors whose sizes vary around B."""
        return [self._indices(step)[share].to(device) for step in steps]

    def batches(self, steps: range) -> float:
        """Return the sequences read over the batch size, not a whole number."""
        return sum(len(self._indices(step)) for step in steps) / self.batch_size

    def _indices(self, step: int) -> Tensor:
        draws_N = torch.rand(self.num_sequences, generator=generator(self.seed, "poisson", step))
        return (draws_N < self.sample_rate).nonzero()[:, 0]
