"""Define GPT-2 as published: pre-LN blocks, GELU-tanh, biases, learned positions, tied head.

Source: Radford et al. 2019; the configuration of Morris et al. 2025 (arXiv 2505.24832), section 3.
Shapes: B batch, L positions, D width, V vocabulary.
"""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from rote.core.checks import require_whole
from rote.models.attention import CausalSelfAttention, Past, dropped, mask_bytes
from rote.models.contracts import StepFormat
from rote.models.decoder import MOST_LAYERS, Decoder
from rote.models.gelu import gelu


class Block(nn.Module):
    """One pre-LN transformer block: attention, then a four-times-wider GELU-tanh MLP."""

    def __init__(self, *, width: int, num_heads: int) -> None:
        super().__init__()
        self.residual_dropout, self.width = 0.0, width
        self.attention_norm = nn.LayerNorm(width)
        self.attention = CausalSelfAttention(width=width, num_heads=num_heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, residual_BLD: Tensor, past: Past | None = None) -> Tensor:
        """[B, L, D] -> [B, L, D], for positions after those of ``past``, which they join."""
        mixed_BLD = self.attention(self.attention_norm(residual_BLD), past)
        return self._widened(residual_BLD + self._dropped(mixed_BLD))

    def activation_bytes(self, step: StepFormat) -> float:
        """See `rote.models.contracts.HasActivationBytes` (Korthikanti et al. 2022, section 4.1)."""
        return self._mixing_bytes(step) + self._mlp_bytes(step)

    def _mixing_bytes(self, step: StepFormat) -> float:
        """The norm's input, what attention keeps, and the mask."""
        return self._branch_bytes(step) + self.attention.activation_bytes(step)

    def _mlp_bytes(self, step: StepFormat) -> float:
        """The norm's input and output, the numbers before and after the GELU, and the mask."""
        mlp_width, width = self.expand.weight.shape
        return self._branch_bytes(step) + (2 * mlp_width + width) * step.product_bytes

    def _branch_bytes(self, step: StepFormat) -> float:
        """The norm's input (again after scaling, with own weights), statistics and the mask."""
        norms = 2 if step.has_own_weights else 1
        mask = self.width * mask_bytes(step, step.product_bytes) if self.residual_dropout else 0
        return (norms * self.width + 2) * step.weight_bytes + mask

    def _widened(self, residual_BLD: Tensor) -> Tensor:
        hidden_BLM = gelu(self.expand(self.mlp_norm(residual_BLD)))
        return residual_BLD + self._dropped(self.contract(hidden_BLM))

    def _dropped(self, branch_BLD: Tensor) -> Tensor:
        return dropped(branch_BLD, self.residual_dropout if self.training else 0.0)


class GPT(Decoder):
    """A model ``forward(tokens_BL) -> logits_BLV``; P = V d + S d + L (12 d^2 + 13 d) + 2 d.

    P is Hugging Face's parameter count of GPT-2: the tied embedding once, S = ``max_length``
    positions. Raises ValueError for a size that cannot be built.
    """

    block: type[nn.Module] = Block

    def __init__(
        self, *, num_layers: int, width: int, num_heads: int, vocab_size: int, max_length: int
    ) -> None:
        require_whole("size.num_layers", num_layers, 1, MOST_LAYERS)
        require_whole("size.width", width, 1)
        super().__init__(vocab_size=vocab_size, width=width, max_length=max_length)
        self.embedding_dropout = 0.0
        self.position_embedding = nn.Embedding(max_length, width)
        self.blocks = nn.ModuleList(
            self.block(width=width, num_heads=num_heads) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(width)
        self._initialise()

    def set_dropout(self, rate: float, places: Collection[str]) -> None:
        """Drop as GPT-2 does: in summed embeddings, attention weights, and a branch's output.

        See `rote.models.contracts.HasDropout`.
        """
        self.embedding_dropout = rate if "embedding" in places else 0.0
        for block in self.blocks:
            block.residual_dropout = rate if "residual" in places else 0.0  # type: ignore[assignment]
            if hasattr(block, "attention"):
                block.attention.weights_dropout = rate if "attention" in places else 0.0  # type: ignore[union-attr]

    @property
    def dropout_places(self) -> Collection[str]:
        """See `rote.models.contracts.HasDropout`."""
        block = self.blocks[0]
        rates = {
            "embedding": self.embedding_dropout,
            "attention": getattr(getattr(block, "attention", None), "weights_dropout", 0.0),
            "residual": block.residual_dropout,
        }
        return tuple(place for place, rate in rates.items() if rate)

    def embedded(self, tokens_BL: Tensor, start: int) -> Tensor:
        """Sum embeddings of tokens and learned positions, [B, L] -> [B, L, D]."""
        positions_L = torch.arange(start, start + tokens_BL.shape[1], device=tokens_BL.device)
        embedded_BLD = self.token_embedding(tokens_BL) + self.position_embedding(positions_L)
        return dropped(embedded_BLD, self.embedding_dropout if self.training else 0.0)
