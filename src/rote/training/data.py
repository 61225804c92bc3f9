"""Training data on the device: made once where it fits, made for each batch where it does not.

Shapes: N sequences, B sequences asked for, L tokens in each; K runs, M sequences of all of them.

Some of a set of sequences.

Shapes: B sequences asked for, N in the part, L tokens in each.

Which sequences each step reads: streams that need no state.

The batch of a step is a pure function of (seed, step): a run resumed at any step reads on where it
would have. Shapes: K steps, B sequences in a batch, N sequences in all.
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
        """How many there are."""
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
        """Of one length."""
        whole_ML = torch.cat([one.tokens_NL for one in runs])
        counts_K = torch.tensor([one.num_sequences for one in runs])
        return cls(whole_ML, (counts_K.cumsum(0) - counts_K).to(whole_ML.device))

    def tokens(self, indices_KB: Tensor) -> Tensor:
        """Those of each run, [K, B] -> [K, B, L]."""
        return self.tokens_ML[indices_KB + self.starts_K[:, None]]

    def keep(self, runs: Sequence[int]) -> "StackedTokens":
        """Without the others, in this order."""
        return StackedTokens(self.tokens_ML, self.starts_K[list(runs)])


def on_device(sequences: Sequences, *, length: int, device: torch.device) -> Sequences:
    """The same sequences, resident on ``device`` where they fit."""
    if sequences.num_sequences * length > RESIDENT_TOKENS:
        return sequences
    return TokensInMemory(sequences.tokens(torch.arange(sequences.num_sequences, device=device)))


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Numbered anew, in the order of ``index_N``."""

    sequences: Sequences
    index_N: np.ndarray  # int64: which of them

    @property
    def num_sequences(self) -> int:
        """How many of them."""
        return len(self.index_N)

    def tokens(self, indices_B: Tensor) -> Tensor:
        """[B] -> [B, L] int64."""
        chosen_B = torch.from_numpy(self.index_N[indices_B.cpu().numpy()])
        return self.sequences.tokens(chosen_B.to(indices_B.device))


@dataclass(frozen=True, kw_only=True)
class IdentifiedSubset(Subset):
    """As `Subset`, of sequences that other runs can have too."""

    sample_ids: np.ndarray


def subset_of(sequences: Sequences, index_N: np.ndarray) -> Subset:
    """Identified where the whole is."""
    if isinstance(sequences, Identified):
        sample_ids = sequences.sample_ids[index_N]
        return IdentifiedSubset(sequences=sequences, index_N=index_N, sample_ids=sample_ids)
    return Subset(sequences=sequences, index_N=index_N)


class Order(Protocol):
    """What a step reads."""

    @property
    def batch_size(self) -> int:
        """Sequences a step, or the mean number of them."""
        ...

    def read(self, steps: range, *, share: slice, device: torch.device) -> Iterable[Tensor]:
        """This process's ``share`` of the indices read at each of ``steps``, int64."""
        ...

    def batches(self, steps: range) -> float:
        """The sequences read at ``steps`` over the batch size."""
        ...


class BatchOrder:
    """Epoch after epoch, each freshly permuted, cut into batches of equal size.

    A batch may span two epochs; none is larger than the data set.
    """

    def __init__(self, *, num_sequences: int, batch_size: int, seed: int) -> None:
        self.num_sequences = num_sequences
        self.batch_size = min(batch_size, num_sequences)
        self.seed = seed
        self._epochs: dict[int, Tensor] = {}

    def read(self, steps: range, *, share: slice, device: torch.device) -> Iterable[Tensor]:
        """[B], or what falls to this process of it."""
        return self.indices(steps)[:, share].to(device)

    def batches(self, steps: range) -> float:
        """One a step."""
        return len(steps)

    def indices(self, steps: range) -> Tensor:
        """Indices read at ``steps``, int64 [K, B], on the CPU."""
        if not steps:
            return torch.empty(0, self.batch_size, dtype=torch.int64)
        start, stop = steps.start * self.batch_size, steps.stop * self.batch_size
        first, last = start // self.num_sequences, (stop - 1) // self.num_sequences
        self._epochs = {epoch: self._epoch(epoch) for epoch in range(first, last + 1)}
        stream = torch.cat(list(self._epochs.values()))
        offset = first * self.num_sequences
        return stream[start - offset : stop - offset].view(len(steps), self.batch_size)

    def _epoch(self, epoch: int) -> Tensor:
        """Kept while the next steps may still read from it."""
        if epoch in self._epochs:
            return self._epochs[epoch]
        return torch.randperm(self.num_sequences, generator=generator(self.seed, "order", epoch))


class PoissonOrder:
    """Each sequence is read at each step with the same probability, independently of all others.

    What the accounting of differential privacy supposes: batches of shuffled epochs are another
    thing (Chua et al. 2024, arXiv 2403.17673). A batch may be empty.
    """

    def __init__(self, *, num_sequences: int, batch_size: int, seed: int) -> None:
        self.num_sequences = num_sequences
        self.batch_size = min(batch_size, num_sequences)
        self.seed = seed

    @property
    def sample_rate(self) -> float:
        """The probability."""
        return self.batch_size / self.num_sequences

    def read(self, steps: range, *, share: slice, device: torch.device) -> Iterable[Tensor]:
        """Of sizes that vary around B."""
        return [self._indices(step)[share].to(device) for step in steps]

    def batches(self, steps: range) -> float:
        """Not a whole number."""
        return sum(len(self._indices(step)) for step in steps) / self.batch_size

    def _indices(self, step: int) -> Tensor:
        draws_N = torch.rand(self.num_sequences, generator=generator(self.seed, "poisson", step))
        return (draws_N < self.sample_rate).nonzero()[:, 0]
