"""Define Mamba-2: a state space whose decay, input and output depend on the token; no attention.

Source: Dao and Gu 2024, Transformers are SSMs (arXiv 2405.21060), section 7; weights are drawn as
in the authors' code (state-spaces/mamba).
Shapes: B batch, L positions, D width, V vocabulary, I inner width, H heads, P numbers of a head, G
groups of heads, N numbers of a state for each number of a head.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.core.checks import require_whole
from rote.models.attention import require_divides
from rote.models.contracts import FLOAT32, StepFormat
from rote.models.decoder import INIT_STD, MOST_LAYERS
from rote.models.llama import NORM_BYTES
from rote.models.recurrence import (
    CHUNK,
    RecurrentDecoder,
    ShortConvolution,
    State,
    by_head,
    initialise_decay,
    scan,
)

NORM_EPS = 1e-5  # Mamba's


class Mixer(nn.Module):
    """One projection gives gate, x, B, C and time step; the state of each head is [N, P].

    State <- exp(dt A) state + B (dt x)^T. The output C^T state + D x is multiplied by silu(gate),
    normed within each group and projected back.
    """

    def __init__(
        self, *, width: int, num_heads: int, expand: int, state_width: int, num_groups: int,
        num_taps: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.inner, self.num_heads, self.num_groups = expand * width, num_heads, num_groups
        self.state_width = state_width
        convolved = self.inner + 2 * num_groups * state_width
        self.project_in = nn.Linear(width, self.inner + convolved + num_heads, bias=False)
        self.convolution = ShortConvolution(
            num_channels=convolved, num_taps=num_taps, has_bias=True
        )
        self.log_decay = nn.Parameter(torch.zeros(num_heads))  # ln(-A)
        self.step_bias = nn.Parameter(torch.zeros(num_heads))
        self.skip = nn.Parameter(torch.ones(num_heads))  # D
        self.norm_weight = nn.Parameter(torch.ones(self.inner))
        self.project = nn.Linear(self.inner, width, bias=False)

    def forward(self, residual_BLD: Tensor, past: State | None = None) -> Tensor:
        """Map [B, L, D] -> [B, L, D], for positions after those of ``past``, which they join."""
        shared = self.num_groups * self.state_width
        gate_BLI, mixed, steps_BLH = self.project_in(residual_BLD).split(
            [self.inner, self.inner + 2 * shared, self.num_heads], dim=-1
        )
        values, keys, queries = self.convolution(mixed, past).split(
            [self.inner, shared, shared], dim=-1
        )
        values_BHLP = by_head(values, self.num_heads)
        # In float32, as all exponents are.
        steps_BHL = functional.softplus(steps_BLH.float() + self.step_bias.float()).transpose(1, 2)
        out_BHLP, state_BHNP = scan(
            self._of_heads(queries),
            self._of_heads(keys),
            values_BHLP.float() * steps_BHL.unsqueeze(-1),
            steps_BHL * -self.log_decay.float().exp()[:, None],
            state_BHKV=past.state_BHKV if past else None,
        )
        if past:
            past.state_BHKV, past.length = state_BHNP, past.length + residual_BLD.shape[1]
        out_BHLP = out_BHLP + self.skip.float()[:, None, None] * values_BHLP
        return self.project(self._gated(out_BHLP.transpose(1, 2).flatten(2), gate_BLI))

    def _of_heads(self, shared: Tensor) -> Tensor:
        """Repeat groups for their heads, [B, L, G N] -> [B, H, L, N]; [B, 1, L, N] if one group."""
        by_group_BGLN = by_head(shared, self.num_groups)
        times = 1 if self.num_groups == 1 else self.num_heads // self.num_groups
        return by_group_BGLN.repeat_interleave(times, dim=1) if times > 1 else by_group_BGLN

    def _gated(self, out_BLI: Tensor, gate_BLI: Tensor) -> Tensor:
        gated_BLI = out_BLI * functional.silu(gate_BLI.float())
        of_group = (self.inner // self.num_groups,)
        by_group = gated_BLI.view(*gated_BLI.shape[:2], self.num_groups, *of_group)
        normed_BLI = functional.rms_norm(by_group, of_group, eps=NORM_EPS).flatten(2)
        return normed_BLI.to(gate_BLI.dtype) * self.norm_weight


class MambaBlock(nn.Module):
    """Adds the mixer's output on the norm of the residual to it; there is no MLP."""

    def __init__(self, *, width: int, mixer: Mixer) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.mixer = mixer

    @property
    def state_numbers(self) -> int:
        """How many numbers the mixer keeps of one sequence that it has read."""
        mixer = self.mixer
        return mixer.inner * mixer.state_width + mixer.convolution.window_numbers

    def activation_bytes(self, step: StepFormat) -> float:
        """See `rote.models.contracts.HasActivationBytes`.

        In float32: the norm (2 D); the convolution, twice; the scan: queries and keys for all heads
        together and, with their decay, for each, values, and three matrices of a chunk for each
        head and one for all; from there to the projection back six times I. As products: inputs of
        both projections and of the convolution, and the gate.
        """
        mixer, width = self.mixer, self.mixer.project_in.weight.shape[1]
        convolved = len(mixer.convolution.weight)
        scanned = 2 * (1 + mixer.num_heads) * mixer.state_width
        scanned += (1 + 3 * mixer.num_heads) * CHUNK
        kept = NORM_BYTES * width + FLOAT32 * (2 * convolved + scanned + 6 * mixer.inner)
        return kept + step.product_bytes * (width + convolved + 2 * mixer.inner)

    def forward(self, residual_BLD: Tensor, past: State | None = None) -> Tensor:
        """[B, L, D] -> [B, L, D], for positions after those of ``past``, which they join."""
        mixed_BLD: Tensor = residual_BLD + self.mixer(self.norm(residual_BLD), past)
        return mixed_BLD


class Mamba2(RecurrentDecoder):
    """P = V d (twice where the head is untied) + L (d (2 I + X + H) + X' + 3 H + I + I d + d) + d.

    I = ``expand`` d, X = 2 G N, X' = (I + X) (T + 1), T = ``num_taps``. There are no positions.
    Raises ValueError for a size that cannot be built.
    """

    def __init__(
        self,
        *,
        num_layers: int,
        width: int,
        num_heads: int,
        expand: int,
        state_width: int,
        num_groups: int,
        num_taps: int,
        is_tied: bool,
        vocab_size: int,
        max_length: int,
    ) -> None:
        require_whole("size.num_layers", num_layers, 1, MOST_LAYERS)
        require_whole("size.width", width, 1)
        numbers = {"expand": expand, "state_width": state_width, "num_taps": num_taps}
        for name, number in numbers.items():
            require_whole(f"model.{name}", number, 1)
        require_divides("size.num_heads", num_heads, "model.expand * size.width", expand * width)
        require_divides("model.num_groups", num_groups, "size.num_heads", num_heads)
        super().__init__(vocab_size=vocab_size, width=width, max_length=max_length)
        self.blocks = nn.ModuleList(
            MambaBlock(
                width=width,
                mixer=Mixer(
                    width=width, num_heads=num_heads, expand=expand, state_width=state_width,
                    num_groups=num_groups, num_taps=num_taps,
                ),
            )
            for _ in range(num_layers)
        )  # fmt: skip
        self._add_end(is_tied=is_tied, norm_eps=NORM_EPS)

    def _initialise(self) -> None:
        nn.init.normal_(self.token_embedding.weight, std=INIT_STD)
        for block in self.blocks:
            mixer = block.mixer
            assert isinstance(mixer, Mixer)
            initialise_decay(mixer.log_decay, mixer.step_bias)
            mixer.convolution.initialise()
            with torch.no_grad():
                mixer.project.weight.div_(math.sqrt(len(self.blocks)))
