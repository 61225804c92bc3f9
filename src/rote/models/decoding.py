"""Token after token through a model: what a coder and a greedy continuation step with.

Shapes: B sequences, L positions, V vocabulary, D width.
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.models.contracts import HasCache
from rote.models.likelihood import started

STEP_LOGITS = 1 << 22  # of all sequences: 16 MiB in float32
CACHE_NUMBERS = 1 << 26  # keys and values of all sequences: 256 MiB in float32


class TokenReader(Protocol):
    """Several sequences of the same number of tokens, read from their start."""

    def read(self, tokens_BL: Tensor) -> Tensor:
        """Logits of the token after these, in the model's own format, [B, L] int64 -> [B, V].

        The first time L may be anything, 0 too: a start is put in front. Later it is 1.
        """
        ...

    def keep(self, rows: Tensor) -> None:
        """Go on with these sequences alone, in this order."""
        ...


def token_reader(model: nn.Module) -> TokenReader:
    """A new one; call it, and use it, inside the model's precision context.

    A model with a cache computes each position once; others read all anew.
    """
    return _Cached(model) if isinstance(model, HasCache) else _Rereading(model)


def sequences_at_once(model: nn.Module, *, length: int, vocab_size: int) -> int:
    """How many to decode together, so that memory is bounded whatever the model and V are."""
    if not isinstance(model, HasCache):
        return max(1, STEP_LOGITS // (vocab_size * length))
    return max(1, min(STEP_LOGITS // vocab_size, CACHE_NUMBERS // (length * model.past_numbers)))


class _Cached:
    def __init__(self, model: HasCache) -> None:
        self.model, self.pasts = model, model.pasts()

    def read(self, tokens_BL: Tensor) -> Tensor:
        inputs_BL = tokens_BL if self.pasts[0].length else started(self.model, tokens_BL)
        hidden_BD = self.model.read(inputs_BL, self.pasts)[:, -1]
        return functional.linear(hidden_BD, self.model.head)

    def keep(self, rows: Tensor) -> None:
        for past in self.pasts:
            past.keep(rows)


class _Rereading:
    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.inputs_BL: Tensor | None = None

    def read(self, tokens_BL: Tensor) -> Tensor:
        if self.inputs_BL is None:
            self.inputs_BL = started(self.model, tokens_BL)
        else:
            self.inputs_BL = torch.cat([self.inputs_BL, tokens_BL], dim=1)
        return self.model(self.inputs_BL)[:, -1]

    def keep(self, rows: Tensor) -> None:
        assert self.inputs_BL is not None
        self.inputs_BL = self.inputs_BL[rows]
