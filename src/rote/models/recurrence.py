"""Define what models without softmax attention share: a recurrent state, short convolution, cache.

The state S [K, V] of a head changes at each position by S <- exp(a) S + k v^T (linear attention
with decay: Mamba-2's SSD, Dao and Gu 2024, arXiv 2405.21060), or by the gated delta rule, which
first subtracts the state's current value for the key (Yang et al. 2024, 2412.06464):
S <- exp(a) S + k (b (v - exp(a) S^T k))^T. The output of both is S^T q.
Shapes: B batch, L positions, H heads, K numbers of a key, V of a value, N chunks, C positions of a
chunk, E channels, T positions that a convolution reads.
"""

import math
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.models.decoder import Decoder

# Positions computed at once. Milliseconds of `scan`, forwards and backwards, with chunks
# of 16, 32, 64, 128 (one core, B=8, H=4, K=V=16, torch 2.13): L=64 3.0, 2.4, 2.2, 2.3; L=512 30,
# 24, 26, 40; with the delta rule 5.0, 4.2, 4.7, 4.9 and 43, 39, 46, 74.
CHUNK = 32
STEPS = (1e-3, 1e-1)  # initial time steps lie between these, uniform in their logarithm


class State:
    """The state of one layer after all positions that it has read; it does not grow with them."""

    def __init__(self) -> None:
        self.length = 0
        self.window_BTE: Tensor | None = None  # the last inputs of the convolution
        self.state_BHKV: Tensor | None = None

    def keep(self, rows: Tensor) -> None:
        """Keep only these sequences."""
        if self.window_BTE is not None and self.state_BHKV is not None:
            self.window_BTE, self.state_BHKV = self.window_BTE[rows], self.state_BHKV[rows]


class RecurrentDecoder(Decoder):
    """A `Decoder` whose blocks keep a `State` of what they have read."""

    def pasts(self) -> list[Any]:
        """Return an empty state for each block."""
        return [State() for _ in self.blocks]

    @property
    def past_numbers(self) -> int:
        """The numbers of all states, which do not grow, divided by ``max_length``, rounded up."""
        numbers: int = sum(block.state_numbers for block in self.blocks)  # type: ignore[misc]
        return -(-numbers // self.max_length)


class ShortConvolution(nn.Module):
    """Mixes each channel over the last ``num_taps`` positions with its own weights, then SiLU.

    Weights are [E, 1, T] as in `nn.Conv1d`, so that an optimiser does not treat them as a matrix.
    """

    def __init__(self, *, num_channels: int, num_taps: int, has_bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_channels, 1, num_taps))
        self.bias = nn.Parameter(torch.zeros(num_channels)) if has_bias else None

    def initialise(self) -> None:
        """Draw the taps uniformly, as `nn.Conv1d` does; the bias stays 0."""
        bound = self.weight.shape[-1] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    @property
    def window_numbers(self) -> int:
        """How many inputs a `State` keeps of one sequence."""
        num_channels, _, num_taps = self.weight.shape
        return num_channels * (num_taps - 1)

    def forward(self, inputs_BLE: Tensor, state: State | None = None) -> Tensor:
        """Map [B, L, E] -> [B, L, E]; before the first position lie zeros, or what ``state`` keeps.

        Computed as sums of shifted inputs: as quick as `nn.Conv1d` on a CPU (0.85 to 1.1 of its
        time), and plain products under vmap.
        """
        length, num_before = inputs_BLE.shape[1], self.weight.shape[-1] - 1
        if state is None or state.window_BTE is None:
            padded_BTE = functional.pad(inputs_BLE, (0, 0, num_before, 0))
        else:
            padded_BTE = torch.cat([state.window_BTE, inputs_BLE], dim=1)
        if state is not None:
            state.window_BTE = padded_BTE[:, padded_BTE.shape[1] - num_before :]
        taps = self.weight[:, 0].unbind(dim=-1)
        mixed_BLE = padded_BTE[:, :length] * taps[0]
        for start, tap_E in enumerate(taps[1:], start=1):
            mixed_BLE = mixed_BLE + padded_BTE[:, start : start + length] * tap_E
        return functional.silu(mixed_BLE if self.bias is None else mixed_BLE + self.bias)


def initialise_decay(log_decay_H: nn.Parameter, step_bias_H: nn.Parameter) -> None:
    """Draw as Mamba-2's authors do: -A uniform in 1 to 16, time steps in ``STEPS`` by logarithm.

    The state is multiplied by exp(A softplus(step + bias)) at a position.
    """
    nn.init.uniform_(log_decay_H, 1.0, 16.0)
    nn.init.uniform_(step_bias_H, math.log(STEPS[0]), math.log(STEPS[1]))
    with torch.no_grad():
        log_decay_H.log_()
        step_bias_H.exp_()
        step_bias_H.add_(torch.log(-torch.expm1(-step_bias_H)))  # the inverse of softplus


def scan(
    queries_BHLK: Tensor,
    keys_BHLK: Tensor,
    values_BHLV: Tensor,
    log_decays_BHL: Tensor,
    *,
    rates_BHL: Tensor | None = None,
    state_BHKV: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the state's output at every position, [B, H, L, V], and the last state; float32.

    ``rates_BHL`` are b of the delta rule; without them values are added unchanged. Log decays are
    at most 0. Heads may share queries and keys, whose axis H is then 1. Positions of a chunk are
    computed at once (equation 8 of 2412.06464; section 6 of 2405.21060), chunks one after another.
    """
    kind = queries_BHLK.device.type  # the meta device, which only tests shapes, has no autocast
    with nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False):
        length = queries_BHLK.shape[2]
        chunk = min(CHUNK, length)
        queries, keys, values = (
            _chunks(one.float(), chunk) for one in (queries_BHLK, keys_BHLK, values_BHLV)
        )
        decays_BHNC = _chunks(log_decays_BHL.float().unsqueeze(-1), chunk)[..., 0].cumsum(-1)
        between_BHNCC = _decays_between(decays_BHNC)
        grown = decays_BHNC.exp().unsqueeze(-1)  # decay since the chunk began
        erased = None
        if rates_BHL is not None:
            rates = _chunks(rates_BHL.float().unsqueeze(-1), chunk)
            values, erased = _corrected(keys, values, rates, between_BHNCC, grown)
        weights_BHNCC = queries @ keys.mT * between_BHNCC
        left = (decays_BHNC[..., -1:] - decays_BHNC).exp().unsqueeze(-1)  # until the chunk ends
        read, written = queries * grown, keys * left
        over = grown[..., -1:, :]
        state = state_BHKV
        if state is None:
            state = values.new_zeros(*values.shape[:2], keys.shape[-1], values.shape[-1])
        mixed = []
        for number in range(values.shape[2]):
            new = values[:, :, number]
            if erased is not None:
                new = new - erased[:, :, number] @ state
            mixed.append(read[:, :, number] @ state + weights_BHNCC[:, :, number] @ new)
            state = state * over[:, :, number] + written[:, :, number].mT @ new
        return torch.cat(mixed, dim=2)[:, :, :length], state


def by_head(values: Tensor, num_heads: int) -> Tensor:
    """[B, L, H X] -> [B, H, L, X]."""
    batch, length, _ = values.shape
    return values.reshape(batch, length, num_heads, -1).transpose(1, 2)


def _chunks(values: Tensor, chunk: int) -> Tensor:
    """Split into chunks, [B, H, L, X] -> [B, H, N, C, X]; zeros at the end change no state."""
    padded = functional.pad(values, (0, 0, 0, -values.shape[2] % chunk))
    batch, heads, _, width = padded.shape
    return padded.reshape(batch, heads, -1, chunk, width)


def _decays_between(decays_BHNC: Tensor) -> Tensor:
    """Return the decay from each position of a chunk to each later one, [B, H, N, C, C]."""
    gaps = decays_BHNC.unsqueeze(-1) - decays_BHNC.unsqueeze(-2)
    future = gaps.new_ones(gaps.shape[-2:], dtype=torch.bool).triu(1)
    return gaps.masked_fill(future, -math.inf).exp()


def _corrected(
    keys: Tensor, values: Tensor, rates: Tensor, between: Tensor, grown: Tensor
) -> tuple[Tensor, Tensor]:
    """Solve a chunk's delta rule: return the values to write, and the keys, both corrected.

    From the values, what other positions of the chunk wrote for the same keys is subtracted. The
    keys times the state at the chunk's start are its outputs for them, which `scan` subtracts.
    """
    system = rates * (keys @ keys.mT) * between
    wanted = rates * torch.cat([values, (keys * grown).expand(*values.shape[:-1], -1)], dim=-1)
    solved = torch.linalg.solve_triangular(system, wanted, upper=False, unitriangular=True)
    width = values.shape[-1]
    return solved[..., :width], solved[..., width:]
