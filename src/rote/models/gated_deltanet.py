"""Define Gated DeltaNet: linear attention whose state decays and corrects its value for a key.

Source: Yang, Kautz and Hatamizadeh 2024 (arXiv 2412.06464), the model without attention layers; it
computes what Qwen3-Next does with linear layers alone. Weights are drawn as GPT-2's, decays as
Mamba-2's.
Shapes: B batch, L positions, D width, H heads, K numbers of a key, V of a value, M width of an MLP.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.core.checks import require_whole
from rote.models.contracts import FLOAT32, StepFormat
from rote.models.decoder import MOST_LAYERS
from rote.models.llama import NORM_BYTES, GatedMlp
from rote.models.recurrence import (
    CHUNK,
    RecurrentDecoder,
    ShortConvolution,
    State,
    by_head,
    initialise_decay,
    scan,
)

NORM_EPS = 1e-6  # Qwen3-Next's, of norms and of keys' lengths


class DeltaMixer(nn.Module):
    """One projection gives query, key, value, gate, rate b and step of each head.

    Queries, keys and values pass a short convolution; queries and keys are scaled to length 1. The
    state changes by the gated delta rule (`rote.models.recurrence`), b = sigmoid(rate), decay a =
    -exp(log_decay) softplus(step + bias). Its output is normed head by head, multiplied by
    silu(gate) and projected back.
    """

    def __init__(
        self, *, width: int, num_heads: int, key_width: int, value_width: int, num_taps: int
    ) -> None:
        super().__init__()
        self.num_heads, self.key_width, self.value_width = num_heads, key_width, value_width
        keys, values = num_heads * key_width, num_heads * value_width
        self.project_in = nn.Linear(width, 2 * keys + 2 * values + 2 * num_heads, bias=False)
        self.convolution = ShortConvolution(
            num_channels=2 * keys + values, num_taps=num_taps, has_bias=False
        )
        self.log_decay = nn.Parameter(torch.zeros(num_heads))
        self.step_bias = nn.Parameter(torch.zeros(num_heads))
        self.norm_weight = nn.Parameter(torch.ones(value_width))
        self.project = nn.Linear(values, width, bias=False)

    @property
    def state_numbers(self) -> int:
        """How many numbers a `State` keeps of one sequence."""
        numbers = self.num_heads * self.key_width * self.value_width
        return numbers + self.convolution.window_numbers

    def activation_bytes(self, step: StepFormat) -> float:
        """Return the bytes kept of a position.

        In float32: the gate; the convolution, twice; queries and keys in unit length, in chunks and
        with their decay; values; inputs and outputs of a chunk's linear system; six matrices of a
        chunk for each head; two states of each chunk; from there to the projection back six times.
        As products: inputs of both projections and of the convolution.
        """
        width, keys = self.project_in.weight.shape[1], self.num_heads * self.key_width
        values, convolved = self.num_heads * self.value_width, len(self.convolution.weight)
        scanned = 6 * self.num_heads * CHUNK + 2 * keys * self.value_width // CHUNK
        kept = FLOAT32 * (2 * convolved + 9 * keys + 10 * values + scanned)
        return kept + step.product_bytes * (width + convolved + values)

    def forward(self, residual_BLD: Tensor, past: State | None = None) -> Tensor:
        """Map [B, L, D] -> [B, L, D], for positions after those of ``past``, which they join."""
        heads, keys = self.num_heads, self.num_heads * self.key_width
        values = heads * self.value_width
        mixed, gate, rates_BLH, steps_BLH = self.project_in(residual_BLD).split(
            [2 * keys + values, values, heads, heads], dim=-1
        )
        query, key, value = self.convolution(mixed, past).split([keys, keys, values], dim=-1)
        steps_BLH = functional.softplus(steps_BLH.float() + self.step_bias.float())
        out_BHLV, state_BHKV = scan(
            _unit(query, heads) * self.key_width**-0.5,
            _unit(key, heads),
            by_head(value, heads),
            (steps_BLH * -self.log_decay.float().exp()).transpose(1, 2),
            rates_BHL=rates_BLH.sigmoid().transpose(1, 2),
            state_BHKV=past.state_BHKV if past else None,
        )
        if past:
            past.state_BHKV, past.length = state_BHKV, past.length + residual_BLD.shape[1]
        return self.project(self._gated(out_BHLV.transpose(1, 2), gate).flatten(2))

    def _gated(self, out_BLHV: Tensor, gate: Tensor) -> Tensor:
        gate_BLHV = by_head(gate, self.num_heads).transpose(1, 2)
        normed_BLHV = functional.rms_norm(out_BLHV, out_BLHV.shape[-1:], eps=NORM_EPS)
        gated_BLHV = normed_BLHV * self.norm_weight.float() * functional.silu(gate_BLHV.float())
        return gated_BLHV.to(gate.dtype)


class DeltaBlock(nn.Module):
    """The mixer, then a gated SiLU MLP, each on the norm of the residual and added to it."""

    def __init__(self, *, width: int, mixer: DeltaMixer, mlp: GatedMlp) -> None:
        super().__init__()
        self.mixer_norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.mixer = mixer
        self.mlp_norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.mlp = mlp

    @property
    def state_numbers(self) -> int:
        """How many numbers a `State` keeps of one sequence."""
        return self.mixer.state_numbers

    def activation_bytes(self, step: StepFormat) -> float:
        """See `rote.models.contracts.HasActivationBytes`."""
        norms = 2 * NORM_BYTES * len(self.mlp_norm.weight)
        return norms + self.mixer.activation_bytes(step) + self.mlp.activation_bytes(step)

    def forward(self, residual_BLD: Tensor, past: State | None = None) -> Tensor:
        """[B, L, D] -> [B, L, D], for positions after those of ``past``, which they join."""
        residual_BLD = residual_BLD + self.mixer(self.mixer_norm(residual_BLD), past)
        widened_BLD: Tensor = residual_BLD + self.mlp(self.mlp_norm(residual_BLD))
        return widened_BLD


class GatedDeltaNet(RecurrentDecoder):
    """P = V d (twice where the head is untied) + L (mixer + 3 d M + 2 d) + d.

    mixer = d (2 X + 3 Y + 2 H) + (2 X + Y) T + 2 H + v, X = H ``key_width``, Y = H v, v =
    ``value_width``, T = ``num_taps``. Key and value widths that are None are 3/4 and 3/2 of d / H,
    rounded up, as in the paper (6 d^2 in all); an MLP width of None is Llama's. There are no
    positions. Raises ValueError for a size that cannot be built.
    """

    def __init__(
        self,
        *,
        num_layers: int,
        width: int,
        num_heads: int,
        key_width: int | None,
        value_width: int | None,
        mlp_width: int | None,
        num_taps: int,
        is_tied: bool,
        vocab_size: int,
        max_length: int,
    ) -> None:
        require_whole("size.num_layers", num_layers, 1, MOST_LAYERS)
        require_whole("size.width", width, 1)
        require_whole("size.num_heads", num_heads, 1)
        super().__init__(vocab_size=vocab_size, width=width, max_length=max_length)
        self.key_width = -(-3 * width // (4 * num_heads)) if key_width is None else key_width
        self.value_width = -(-3 * width // (2 * num_heads)) if value_width is None else value_width
        self.mlp_width = 4 * -(-2 * width // 3) if mlp_width is None else mlp_width
        for name in ("key_width", "value_width", "mlp_width"):
            require_whole(f"model.{name}", getattr(self, name), 1)
        require_whole("model.num_taps", num_taps, 1)
        self.blocks = nn.ModuleList(
            DeltaBlock(
                width=width,
                mixer=DeltaMixer(
                    width=width, num_heads=num_heads, key_width=self.key_width,
                    value_width=self.value_width, num_taps=num_taps,
                ),
                mlp=GatedMlp(width=width, mlp_width=self.mlp_width),
            )
            for _ in range(num_layers)
        )  # fmt: skip
        self._add_end(is_tied=is_tied, norm_eps=NORM_EPS)

    def _initialise(self) -> None:
        super()._initialise()
        for block in self.blocks:
            mixer = block.mixer
            assert isinstance(mixer, DeltaMixer)
            initialise_decay(mixer.log_decay, mixer.step_bias)
            mixer.convolution.initialise()


def _unit(vectors: Tensor, num_heads: int) -> Tensor:
    """Scale each head's vector to length 1 in float32, [B, L, H K] -> [B, H, L, K]."""
    by_head_BHLK = by_head(vectors, num_heads).float()
    squares_BHL1 = by_head_BHLK.square().sum(dim=-1, keepdim=True)
    return by_head_BHLK * (squares_BHL1 + NORM_EPS).rsqrt()
