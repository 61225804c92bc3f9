"""Some of a set of sequences.

Shapes: B sequences asked for, N in the part, L tokens in each.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rote.tasks.protocol import Identified, Sequences


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
