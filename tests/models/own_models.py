"""Models as a user may write them: right ones, and each with one fault."""

import torch
from torch import Tensor, nn


class Recurrent(nn.Module):
    """A GRU without blocks, head or cache: all that is needed."""

    def __init__(self, *, width: int, vocab_size: int, max_length: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        self.recurrence = nn.GRU(width, width, batch_first=True)
        self.unembed = nn.Linear(width, vocab_size)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        states_BLD, _ = self.recurrence(self.embedding(tokens_BL))
        return self.unembed(states_BLD)


class Mixing(nn.Module):
    """Blocks without attention: each position takes the mean of those before it."""

    def __init__(self, *, width: int, vocab_size: int, max_length: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(2))

    @property
    def head(self) -> Tensor:
        return self.embedding.weight

    def hidden(self, tokens_BL: Tensor) -> Tensor:
        states_BLD = self.embedding(tokens_BL)
        counts_L1 = torch.arange(1, tokens_BL.shape[1] + 1, device=tokens_BL.device)[:, None]
        for block in self.blocks:
            states_BLD = states_BLD + torch.tanh(block(states_BLD.cumsum(1) / counts_L1))
        return states_BLD

    def forward(self, tokens_BL: Tensor) -> Tensor:
        return nn.functional.linear(self.hidden(tokens_BL), self.head)


class ModuleAsHead(Recurrent):
    def __init__(self, *, width: int, vocab_size: int, max_length: int) -> None:
        super().__init__(width=width, vocab_size=vocab_size, max_length=max_length)
        self.head = nn.Linear(width, vocab_size)


class OtherVocabulary(Mixing):
    @property
    def head(self) -> Tensor:
        return self.embedding.weight[:-1]


class HeadAlone(Recurrent):
    @property
    def head(self) -> Tensor:
        return self.unembed.weight


class GivesTuple(Recurrent):
    def forward(self, tokens_BL: Tensor) -> Tensor:
        return super().forward(tokens_BL), None  # type: ignore[return-value]


class GivesLast(Recurrent):
    def forward(self, tokens_BL: Tensor) -> Tensor:
        return super().forward(tokens_BL)[:, -1]


class LooksAhead(Recurrent):
    def forward(self, tokens_BL: Tensor) -> Tensor:
        return super().forward(tokens_BL.flip(1)).flip(1)


class Fails(Recurrent):
    def forward(self, tokens_BL: Tensor) -> Tensor:
        return super().forward(tokens_BL.float())
