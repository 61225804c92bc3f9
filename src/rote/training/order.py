"""Which sequences each step reads: a stream of shuffled epochs that needs no state.

Shapes: K steps, B sequences in a batch, N sequences in all.
"""

import torch
from torch import Tensor

from rote.rng import generator


class BatchOrder:
    """Epoch after epoch, each freshly permuted, cut into batches of equal size.

    The batch of a step is a pure function of (seed, step): a run resumed at any step reads on where
    it would have. A batch may span two epochs; none is larger than the data set.
    """

    def __init__(self, *, num_sequences: int, batch_size: int, seed: int) -> None:
        self.num_sequences = num_sequences
        self.batch_size = min(batch_size, num_sequences)
        self.seed = seed
        self._epochs: dict[int, Tensor] = {}

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
