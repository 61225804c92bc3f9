"""What decoder-only transformers share: an embedding, blocks one after another, a norm, a head.

Shapes: B batch, L positions, D width, V vocabulary.

Token after token through a model: what a coder and a greedy continuation step with.

Shapes: B sequences, L positions, V vocabulary, D width.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.models.attention import Past
from rote.models.contracts import HasCache
from rote.models.likelihood import started


class Decoder(nn.Module):
    """``forward(tokens_BL) -> logits_BLV``; fulfils `HasHead`, `HasBlocks` and `HasCache`.

    A block takes residual_BLD, and in ``read`` a `Past` besides. Subclasses make blocks and norm,
    after what else they embed: weights are drawn in the order in which modules are made.
    """

    blocks: nn.ModuleList
    final_norm: nn.Module

    def __init__(self, *, vocab_size: int, width: int, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length
        self.token_embedding = nn.Embedding(vocab_size, width)

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Logits of the next token at every position, [B, L] int64 -> [B, L, V]."""
        return functional.linear(self.hidden(tokens_BL), self.head)

    @property
    def head(self) -> Tensor:
        """Logits are hidden states times its transpose, [V, D]: the token embedding itself."""
        return self.token_embedding.weight

    def hidden(self, tokens_BL: Tensor) -> Tensor:
        """What the head reads, [B, L] int64 -> [B, L, D]."""
        residual_BLD = self.embedded(tokens_BL, 0)
        for block in self.passes():
            residual_BLD = block(residual_BLD)
        normed_BLD: Tensor = self.final_norm(residual_BLD)
        return normed_BLD

    def pasts(self) -> list[Any]:
        """Nothing read yet, one for each pass through a block: what ``read`` needs."""
        return [Past(self.max_length) for _ in self.passes()]

    @property
    def past_numbers(self) -> int:
        """What ``pasts`` keep of each token: a key and a value in every pass."""
        return 2 * len(list(self.passes())) * self.token_embedding.embedding_dim

    def read(self, tokens_BL: Tensor, pasts: Sequence[Any]) -> Tensor:
        """As ``hidden`` for tokens that follow those of ``pasts``, which they are added to."""
        residual_BLD = self.embedded(tokens_BL, pasts[0].length)
        for block, past in zip(self.passes(), pasts, strict=True):
            residual_BLD = block.read(residual_BLD, past)  # type: ignore[operator]
        normed_BLD: Tensor = self.final_norm(residual_BLD)
        return normed_BLD

    def passes(self) -> Iterator[nn.Module]:
        """Blocks in the order in which they are gone through."""
        return iter(self.blocks)

    def embedded(self, tokens_BL: Tensor, start: int) -> Tensor:
        """What the first block reads, [B, L] -> [B, L, D]; ``start`` is the first position."""
        embedded_BLD: Tensor = self.token_embedding(tokens_BL)
        return embedded_BLD


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
