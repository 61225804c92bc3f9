"""Define Llama: RMS norms, rotary positions, gated SiLU MLPs, shared keys and values, no biases.

Sources: Touvron et al. 2023 (arXiv 2302.13971); Su et al. 2021 (2104.09864); Zhang and Sennrich
2019 (1910.07467); Shazeer 2020 (2002.05202); Ainslie et al. 2023 (2305.13245).
Shapes: B batch, L positions, D width, H heads, G heads of keys and values, K width of one head,
M width of the MLP, V vocabulary.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.core.checks import require_positive, require_whole
from rote.models.attention import Past, attend_after, attention_bytes, require_divides
from rote.models.contracts import FLOAT32, StepFormat
from rote.models.decoder import MOST_LAYERS, Decoder

NORM_EPS = 1e-5  # Llama's
NORM_BYTES = 2 * FLOAT32  # that an RMS norm keeps of a number: input and normed input


class RotaryAttention(nn.Module):
    """Causal attention whose queries and keys are rotated by their position.

    Raises ValueError for heads that do not divide the width, or groups that do not divide the
    heads, and for heads of odd width.
    """

    def __init__(self, *, width: int, num_heads: int, num_groups: int, rotary_base: float) -> None:
        super().__init__()
        require_divides("size.num_heads", num_heads, "size.width", width)
        require_divides("model.num_groups", num_groups, "size.num_heads", num_heads)
        if (width // num_heads) % 2:
            raise ValueError(
                "rotary positions turn pairs of numbers: size.width / size.num_heads must be even, "
                f"got {width} / {num_heads}"
            )
        self.num_heads, self.num_groups, self.rotary_base = num_heads, num_groups, rotary_base
        self.attention_width = width
        self.query = nn.Linear(width, width, bias=False)
        shared = width // num_heads * num_groups
        self.key = nn.Linear(width, shared, bias=False)
        self.value = nn.Linear(width, shared, bias=False)
        self.project = nn.Linear(width, width, bias=False)

    def forward(self, residual_BLD: Tensor, past: Past | None = None) -> Tensor:
        """[B, L, D] -> [B, L, D]; position l sees positions 0..l, and those of ``past``."""
        batch, length, _ = residual_BLD.shape
        query_BHLK, key_BGLK, value_BGLK = (
            project(residual_BLD).view(batch, length, number, -1).transpose(1, 2)
            for project, number in (
                (self.query, self.num_heads),
                (self.key, self.num_groups),
                (self.value, self.num_groups),
            )
        )
        start = past.length if past else 0
        positions_L = torch.arange(start, start + length, device=residual_BLD.device)
        query_BHLK = self._turned(query_BHLK, positions_L)
        key_BGLK = self._turned(key_BGLK, positions_L)
        mixed_BHLK = attend_after(past, query_BHLK, key_BGLK, value_BGLK)
        return self.project(mixed_BHLK.transpose(1, 2).flatten(2))

    def activation_bytes(self, step: StepFormat) -> float:
        """Bytes kept of a position: input, heads, weights, mixed values by head and by position."""
        width = len(self.query.weight)
        numbers = (step.cast_inputs(3) + 2) * width
        return numbers * step.product_bytes + attention_bytes(
            step, width=width, num_heads=self.num_heads
        )

    def _turned(self, heads_BHLK: Tensor, positions_L: Tensor) -> Tensor:
        """Rotate pairs (k, k + K/2) by position / base^(2k/K), in float32."""
        half = heads_BHLK.shape[-1] // 2
        powers = torch.arange(half, device=heads_BHLK.device, dtype=torch.float32) / half
        angles_LC = positions_L[:, None].float() * self.rotary_base**-powers
        cosine_LC, sine_LC = angles_LC.cos(), angles_LC.sin()
        first, second = heads_BHLK[..., :half].float(), heads_BHLK[..., half:].float()
        turned = (first * cosine_LC - second * sine_LC, second * cosine_LC + first * sine_LC)
        return torch.cat(turned, dim=-1).to(heads_BHLK.dtype)


class GatedMlp(nn.Module):
    """Computes contract(silu(gate(x)) * expand(x))."""

    def __init__(self, *, width: int, mlp_width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, mlp_width, bias=False)
        self.expand = nn.Linear(width, mlp_width, bias=False)
        self.contract = nn.Linear(mlp_width, width, bias=False)

    def forward(self, inputs_BLD: Tensor) -> Tensor:
        """[B, L, D] -> [B, L, D]."""
        return self.contract(functional.silu(self.gate(inputs_BLD)) * self.expand(inputs_BLD))

    def activation_bytes(self, step: StepFormat) -> float:
        """Bytes kept of a position: input, both projections, the gate, the input of the last."""
        mlp_width, width = self.gate.weight.shape
        return (step.cast_inputs(2) * width + 4 * mlp_width) * step.product_bytes


class LlamaBlock(nn.Module):
    """Attention, then the MLP, each on the norm of the residual and added to it."""

    def __init__(self, *, attention: RotaryAttention, mlp: nn.Module, width: int) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.attention = attention
        self.mlp_norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.mlp = mlp

    def forward(self, residual_BLD: Tensor, past: Past | None = None) -> Tensor:
        """[B, L, D] -> [B, L, D], for positions after those of ``past``, which they join."""
        mixed_BLD = self.attention(self.attention_norm(residual_BLD), past)
        return self._widened(residual_BLD + mixed_BLD)

    def activation_bytes(self, step: StepFormat) -> float:
        """See `rote.models.contracts.HasActivationBytes`."""
        norms = 2 * NORM_BYTES * len(self.mlp_norm.weight)
        mlp: float = self.mlp.activation_bytes(step)  # type: ignore[operator]
        return norms + self.attention.activation_bytes(step) + mlp

    def _widened(self, residual_BLD: Tensor) -> Tensor:
        widened_BLD: Tensor = residual_BLD + self.mlp(self.mlp_norm(residual_BLD))
        return widened_BLD


class Llama(Decoder):
    """P = V d (twice where the head is untied) + L (2 d^2 + 2 d^2 G / H + 3 d M + 2 d) + d.

    A ``mlp_width`` of None is 8/3 of the width, rounded up to a multiple of 4: about as many
    weights as GPT-2's. Weights are drawn as GPT-2's. Raises ValueError for a size that cannot be
    built.
    """

    def __init__(
        self,
        *,
        num_layers: int,
        width: int,
        num_heads: int,
        num_groups: int,
        mlp_width: int | None,
        rotary_base: float,
        is_tied: bool,
        vocab_size: int,
        max_length: int,
    ) -> None:
        require_whole("size.num_layers", num_layers, 1, MOST_LAYERS)
        require_whole("size.width", width, 1)
        super().__init__(vocab_size=vocab_size, width=width, max_length=max_length)
        self.mlp_width = 4 * -(-2 * width // 3) if mlp_width is None else mlp_width
        require_whole("model.mlp_width", self.mlp_width, 1)
        require_positive("model.rotary_base", rotary_base)
        self.num_groups, self.num_heads = num_groups, num_heads
        self.blocks = nn.ModuleList(
            LlamaBlock(
                attention=RotaryAttention(
                    width=width, num_heads=num_heads, num_groups=num_groups, rotary_base=rotary_base
                ),
                mlp=self.make_mlp(width),
                width=width,
            )
            for _ in range(num_layers)
        )
        self._add_end(is_tied=is_tied, norm_eps=NORM_EPS)

    def make_mlp(self, width: int) -> nn.Module:
        """Return the MLP of one block."""
        return GatedMlp(width=width, mlp_width=self.mlp_width)

    @property
    def past_numbers(self) -> int:
        """How many numbers the cache keeps of each token; heads share keys and values."""
        return super().past_numbers * self.num_groups // self.num_heads
