"""Models of which every probability is known, and tasks of sequences as given."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rote.measures.sampling import Sampler
from rote.training.data import TokensInMemory

CPU = torch.device("cpu")
PLAIN = Sampler(temperature=1.0, top_k=None, top_p=None)


class Fixed(nn.Module):
    """Gives each token its own probability wherever it stands."""

    def __init__(self, logits: Sequence[float]) -> None:
        super().__init__()
        self.logits_V = torch.tensor(logits, dtype=torch.float32)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        return self.logits_V.expand(*tokens_BL.shape, -1)


class Bigram(nn.Module):
    """Logits of the next token by the last one: after the start 0, then by a table."""

    def __init__(self, logits_VV: Tensor) -> None:
        super().__init__()
        self.logits_VV = logits_VV

    def forward(self, inputs_BL: Tensor) -> Tensor:
        return self.logits_VV[inputs_BL]


class Listed:
    """A task of sequences as given; those tokens before ``scored_from`` are their prompts."""

    def __init__(
        self, train_NL: Tensor, heldout_NL: Tensor | None = None, *, vocab_size: int,
        scored_from: int = 0,
    ) -> None:  # fmt: skip
        self.splits = train_NL, train_NL if heldout_NL is None else heldout_NL
        self.length, self.vocab_size = train_NL.shape[1], vocab_size
        self.scored_from = scored_from

    def train(self, seed: int) -> TokensInMemory:
        return TokensInMemory(self.splits[0])

    def heldout(self, seed: int) -> TokensInMemory:
        return TokensInMemory(self.splits[1])

    def entropy_bits(self, *, from_position: int = 0) -> None:
        return None
