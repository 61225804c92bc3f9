"""GPT-2 with half of each block left out: attention alone, or MLPs alone.

An MLP alone sees one token and its position, so that it holds at most what a table of these holds.
"""

from torch import Tensor, nn

from rote.models.attention import Past
from rote.models.gpt import GPT, Block


class AttentionBlock(Block):
    """Without its MLP."""

    def __init__(self, *, width: int, num_heads: int) -> None:
        super().__init__(width=width, num_heads=num_heads)
        del self.mlp_norm, self.expand, self.contract

    def _widened(self, residual_BLD: Tensor) -> Tensor:
        return residual_BLD


class MlpBlock(Block):
    """Without its attention."""

    def __init__(self, *, width: int, num_heads: int) -> None:
        super().__init__(width=width, num_heads=num_heads)
        del self.attention_norm, self.attention

    def forward(self, residual_BLD: Tensor) -> Tensor:
        """[B, L, D] -> [B, L, D]."""
        return self._widened(residual_BLD)

    def read(self, residual_BLD: Tensor, past: Past) -> Tensor:
        """The past has no say in it, but its length is the next position."""
        past.skip(residual_BLD)
        return self._widened(residual_BLD)


class AttentionOnly(GPT):
    """P = V d + S d + L (4 d^2 + 6 d) + 2 d."""

    block: type[nn.Module] = AttentionBlock


class MlpOnly(GPT):
    """P = V d + S d + L (8 d^2 + 7 d) + 2 d; heads are not used."""

    block: type[nn.Module] = MlpBlock
