"""Define what decoder-only transformers share, and decode token by token through any model.

A decoder is an embedding, blocks one after another, a norm and a head. A coder and a greedy
continuation step through a model with a `TokenReader`.

Shapes: B sequences, L positions, D width, V vocabulary.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.core.checks import require_flag
from rote.models.attention import Past
from rote.models.contracts import HasCache
from rote.models.likelihood import started

INIT_STD = 0.02  # GPT-2's; the two projections into the residual get INIT_STD / sqrt(2 * layers)
MOST_LAYERS = 1 << 12  # counting parameters builds each layer, so more cannot be counted


class Decoder(nn.Module):
    """A model ``forward(tokens_BL) -> logits_BLV``; fulfils `HasHead`, `HasBlocks` and `HasCache`.

    A block takes residual_BLD, and in ``read`` also its `Past`. Subclasses create blocks and norm
    after their other embeddings, and an untied head last, as the linear layer ``unembedding``:
    weights are drawn in the order in which modules are created.
    """

    blocks: nn.ModuleList
    final_norm: nn.Module

    def __init__(self, *, vocab_size: int, width: int, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length
        self.token_embedding = nn.Embedding(vocab_size, width)
        self.unembedding: nn.Linear | None = None

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Return logits of the next token at every position, [B, L] int64 -> [B, L, V]."""
        return functional.linear(self.hidden(tokens_BL), self.head)

    @property
    def head(self) -> Tensor:
        """[V, D], the token embedding, or ``unembedding``; logits are hidden states times it."""
        own = self.unembedding
        return self.token_embedding.weight if own is None else own.weight

    def hidden(self, tokens_BL: Tensor) -> Tensor:
        """Return the head's input, [B, L] int64 -> [B, L, D]."""
        residual_BLD = self.embedded(tokens_BL, 0)
        for block in self.passes():
            residual_BLD = block(residual_BLD)
        normed_BLD: Tensor = self.final_norm(residual_BLD)
        return normed_BLD

    def pasts(self) -> list[Any]:
        """Return an empty cache for ``read``, one object for each pass through a block."""
        return [Past(self.max_length) for _ in self.passes()]

    @property
    def past_numbers(self) -> int:
        """How many numbers ``pasts`` keep of each token: a key and a value in every pass."""
        return 2 * len(list(self.passes())) * self.token_embedding.embedding_dim

    def read(self, tokens_BL: Tensor, pasts: Sequence[Any]) -> Tensor:
        """Apply ``hidden`` to tokens that follow those of ``pasts``, and add them to it."""
        residual_BLD = self.embedded(tokens_BL, pasts[0].length)
        for block, past in zip(self.passes(), pasts, strict=True):
            residual_BLD = block(residual_BLD, past)
        normed_BLD: Tensor = self.final_norm(residual_BLD)
        return normed_BLD

    def passes(self) -> Iterator[nn.Module]:
        """Return the blocks in the order in which they run."""
        return iter(self.blocks)

    def embedded(self, tokens_BL: Tensor, start: int) -> Tensor:
        """Return the first block's input, [B, L] -> [B, L, D]; ``start`` is the first position."""
        embedded_BLD: Tensor = self.token_embedding(tokens_BL)
        return embedded_BLD

    def _add_end(self, *, is_tied: bool, norm_eps: float) -> None:
        """Add an RMS norm and, if it is untied, the head; then draw all weights."""
        require_flag("model.is_tied", is_tied)
        vocab_size, width = self.token_embedding.weight.shape
        self.final_norm = nn.RMSNorm(width, eps=norm_eps)
        self.unembedding = None if is_tied else nn.Linear(width, vocab_size, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        """Draw matrices as GPT-2's; those that add to the residual, in any pass, are smaller."""
        residual_std = INIT_STD / math.sqrt(2 * len(list(self.passes())))
        for name, parameter in self.named_parameters():
            if name.endswith(("project.weight", "contract.weight", "mlp.contract")):
                nn.init.normal_(parameter, std=residual_std)
            elif parameter.ndim >= 2 and "convolution" not in name:
                nn.init.normal_(parameter, std=INIT_STD)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)


STEP_LOGITS = 1 << 22  # of all sequences: 16 MiB in float32
CACHE_NUMBERS = 1 << 26  # keys and values of all sequences: 256 MiB in float32


class TokenReader:
    """Reads several sequences of the same number of tokens, from their start.

    This one reads earlier tokens again in each call; `token_reader` may return a quicker one.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.inputs_BL: Tensor | None = None

    def read(self, tokens_BL: Tensor) -> Tensor:
        """Return logits of the token after these, in the model's format, [B, L] int64 -> [B, V].

        In the first call L may be anything, 0 too, because a start is put in front. Later it is 1.
        """
        if self.inputs_BL is None:
            self.inputs_BL = started(self.model, tokens_BL)
        else:
            self.inputs_BL = torch.cat([self.inputs_BL, tokens_BL], dim=1)
        return self.model(self.inputs_BL)[:, -1]

    def keep(self, rows: Tensor) -> None:
        """Keep only these sequences, in this order."""
        assert self.inputs_BL is not None
        self.inputs_BL = self.inputs_BL[rows]


def token_reader(model: nn.Module) -> TokenReader:
    """Return a new reader; create and use it inside the model's precision context.

    A model with a cache computes each position once; others recompute all of them.
    """
    return _CachedReader(model) if isinstance(model, HasCache) else TokenReader(model)


def sequences_at_once(model: nn.Module, *, length: int, vocab_size: int) -> int:
    """Return how many sequences to decode together: memory is bounded for any model and V."""
    if not isinstance(model, HasCache):
        return max(1, STEP_LOGITS // (vocab_size * length))
    return max(1, min(STEP_LOGITS // vocab_size, CACHE_NUMBERS // (length * model.past_numbers)))


class _CachedReader(TokenReader):
    """Reads each position once."""

    def __init__(self, model: HasCache) -> None:
        super().__init__(model)
        self.pasts = model.pasts()

    def read(self, tokens_BL: Tensor) -> Tensor:
        inputs_BL = tokens_BL if self.pasts[0].length else started(self.model, tokens_BL)
        hidden_BD = self.model.read(inputs_BL, self.pasts)[:, -1]
        return functional.linear(hidden_BD, self.model.head)

    def keep(self, rows: Tensor) -> None:
        for past in self.pasts:
            past.keep(rows)
