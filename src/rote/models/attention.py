"""Causal multi-head self-attention as in GPT-2: torch's fused kernels, or plain products on a CPU.

Shapes: B batch, L positions, D width, H heads, K width of one head, N heads of all sequences.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

WRITTEN_OUT_LENGTH = 256  # above it the scores outgrow the caches, and the fused kernel is as fast


class CausalSelfAttention(nn.Module):
    """One fused query-key-value projection, attention over earlier positions, one projection back.

    Raises ValueError where ``width`` is not a multiple of ``num_heads``.
    """

    def __init__(self, *, width: int, num_heads: int) -> None:
        super().__init__()
        if num_heads < 1 or width % num_heads:
            raise ValueError(
                f"size.width={width} is not divisible by size.num_heads={num_heads}: "
                f"choose num_heads from {_divisors(width)}"
            )
        self.num_heads = num_heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, residual_BLD: Tensor) -> Tensor:
        """[B, L, D] -> [B, L, D]; position l sees positions 0..l."""
        batch, length, width = residual_BLD.shape
        # Split rather than unbound: the backward pass then puts three gradients together at once.
        query_BHLK, key_BHLK, value_BHLK = (
            part_BLD.view(batch, length, self.num_heads, -1).transpose(1, 2)
            for part_BLD in self.query_key_value(residual_BLD).split(width, dim=-1)
        )
        attend = _written_out if _is_small(query_BHLK) else _fused
        mixed_BHLK = attend(query_BHLK, key_BHLK, value_BHLK)
        return self.project(mixed_BHLK.transpose(1, 2).reshape(batch, length, width))


def _is_small(query_BHLK: Tensor) -> bool:
    """Where torch's fused kernels lose: short sequences on a CPU (docs/log.md has the times)."""
    return query_BHLK.device.type == "cpu" and query_BHLK.shape[-2] <= WRITTEN_OUT_LENGTH


def _fused(query_BHLK: Tensor, key_BHLK: Tensor, value_BHLK: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(query_BHLK, key_BHLK, value_BHLK, is_causal=True)


def _written_out(query_BHLK: Tensor, key_BHLK: Tensor, value_BHLK: Tensor) -> Tensor:
    """The same from plain products, which `torch.func.vmap` takes as well."""
    length, head_width = query_BHLK.shape[-2:]
    future_LL = query_BHLK.new_full((length, length), -math.inf).triu(1)
    scores_NLL = torch.baddbmm(
        future_LL, query_BHLK.flatten(0, 1), key_BHLK.flatten(0, 1).mT, alpha=head_width**-0.5
    )
    mixed_NLK = scores_NLL.softmax(dim=-1) @ value_BHLK.flatten(0, 1)
    return mixed_NLK.view(query_BHLK.shape)


def _divisors(width: int) -> list[int]:
    return [heads for heads in range(1, width + 1) if width % heads == 0]
