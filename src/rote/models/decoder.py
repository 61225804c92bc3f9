"""What decoder-only transformers share: an embedding, blocks one after another, a norm, a head.

Shapes: B batch, L positions, D width, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from rote.models.attention import Past


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
