"""Define GPT-2 with half of each block left out: attention alone, or MLPs alone.

An MLP alone sees one token and its position, so it can hold at most a table of such pairs.
"""

from torch import Tensor, nn

from rote.models.attention import Past
from rote.models.contracts import StepFormat
from rote.models.gpt import GPT, Block


class AttentionBlock(Block):
    """A GPT-2 block without its MLP."""

    def __init__(self, *, width: int, num_heads: int) -> None:
        super().__init__(width=width, num_heads=num_heads)
        del self.mlp_norm, self.expand, self.contract

    def activation_bytes(self, step: StepFormat) -> float:
        """See `rote.models.contracts.HasActivationBytes`."""
        return self._mixing_bytes(step)

    def _widened(self, residual_BLD: Tensor) -> Tensor:
        return residual_BLD


class MlpBlock(Block):
    """A GPT-2 block without its attention."""

    def __init__(self, *, width: int, num_heads: int) -> None:
        super().__init__(width=width, num_heads=num_heads)
        del self.attention_norm, self.attention

    def activation_bytes(self, step: StepFormat) -> float:
        """See `rote.models.contracts.HasActivationBytes`."""
        return self._mlp_bytes(step)

    def forward(self, residual_BLD: Tensor, past: Past | None = None) -> Tensor:
        """[B, L, D] -> [B, L, D]; ``past`` only counts the positions, which gives the next one."""
        if past:
            past.skip(residual_BLD)
        return self._widened(residual_BLD)


class AttentionOnly(GPT):
    """GPT-2 without MLPs; P = V d + S d + L (4 d^2 + 6 d) + 2 d."""

    block: type[nn.Module] = AttentionBlock


class MlpOnly(GPT):
    """GPT-2 without attention, whose heads are not used; P = V d + S d + L (8 d^2 + 7 d) + 2 d."""

    block: type[nn.Module] = MlpBlock
