"""Compute causal multi-head self-attention as in GPT-2, with fused kernels or plain products.

Plain products run on a CPU where they are faster. Dropout at rate 0 costs nothing.

Shapes: B batch, L positions, D width, H heads, G heads of keys and values, K width of one head,
N heads of all sequences, T positions read so far.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.models.contracts import FLOAT32, StepFormat

PLACES = ("embedding", "attention", "residual")  # of dropout, as in GPT-2


def dropped(values: Tensor, rate: float) -> Tensor:
    """Set each number to 0 with probability ``rate`` and scale the others so that the mean stays.

    Source: Srivastava et al. 2014, JMLR 15.
    """
    return functional.dropout(values, rate) if rate else values


# Where plain products beat torch's fused kernel on a CPU, forwards and backwards (torch 2.13, one
# core, plain time over fused time; docs/log.md has all). Float32, with AVX-512 and without: 0.65 to
# 1.05 for heads of 2 to 8 numbers and up to 64 positions, but 1.2 to 1.8 for heads of one number,
# 0.95 to 1.2 for wide ones. 16 bits: 0.1 to 0.8 with AVX-512 up to 256 positions, else a step of
# 535k takes 1.1 times as long. tests/models/test_kernels.py tests that both give the same.
NARROW_HEADS, NARROW_LENGTH = range(2, 9), 64
SIXTEEN_BIT_LENGTHS = {"AVX512": 256}
SIXTEEN_BIT_LENGTH = SIXTEEN_BIT_LENGTHS.get(torch.backends.cpu.get_cpu_capability(), 0)


class CausalSelfAttention(nn.Module):
    """A fused query-key-value projection, attention over earlier positions, an output projection.

    Raises ValueError where ``width`` is not a multiple of ``num_heads``.
    """

    def __init__(self, *, width: int, num_heads: int) -> None:
        super().__init__()
        require_divides("size.num_heads", num_heads, "size.width", width)
        self.num_heads, self.attention_width = num_heads, width
        self.weights_dropout = 0.0
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, residual_BLD: Tensor, past: "Past | None" = None) -> Tensor:
        """[B, L, D] -> [B, L, D]; position l sees positions 0..l, and those of ``past``."""
        batch, length, width = residual_BLD.shape
        # Split, not unbind: the backward pass then joins the three gradients in one step.
        query_BHLK, key_BHLK, value_BHLK = (
            part_BLD.view(batch, length, self.num_heads, -1).transpose(1, 2)
            for part_BLD in self.query_key_value(residual_BLD).split(width, dim=-1)
        )
        dropout = self.weights_dropout if self.training else 0.0
        mixed_BHLK = attend_after(past, query_BHLK, key_BHLK, value_BHLK, dropout)
        return self.project(mixed_BHLK.transpose(1, 2).flatten(2))

    def activation_bytes(self, step: StepFormat) -> float:
        """Bytes kept of a position: input, query, key, value, weights, mixed values."""
        width = self.project.weight.shape[1]
        return 2 * width * step.product_bytes + attention_bytes(
            step, width=width, num_heads=self.num_heads, has_dropout=self.weights_dropout > 0
        )


class Past:
    """The keys and values of all positions that one attention layer has read."""

    def __init__(self, max_length: int) -> None:
        self.max_length, self.length = max_length, 0

    def add(self, key_BHLK: Tensor, value_BHLK: Tensor) -> None:
        """Append keys and values; the first call allocates room for all positions."""
        if self.length == 0:
            batch, heads, _, head_width = key_BHLK.shape
            self._kept_2BHTK = key_BHLK.new_empty(2, batch, heads, self.max_length, head_width)
        start, self.length = self.length, self.length + key_BHLK.shape[2]
        self._kept_2BHTK[0, :, :, start : self.length] = key_BHLK
        self._kept_2BHTK[1, :, :, start : self.length] = value_BHLK

    def skip(self, residual_BLD: Tensor) -> None:
        """Count positions of a layer that keeps nothing of them."""
        self.length += residual_BLD.shape[1]

    def keys_and_values(self) -> tuple[Tensor, Tensor]:
        """[B, H, T, K] each."""
        keys_BHTK, values_BHTK = self._kept_2BHTK[:, :, :, : self.length]
        return keys_BHTK, values_BHTK

    def keep(self, rows: Tensor) -> None:
        """Keep only these sequences."""
        if hasattr(self, "_kept_2BHTK"):  # else all positions were skipped
            self._kept_2BHTK = self._kept_2BHTK[:, rows]


def is_written_out(*, length: int, head_width: int, number_bytes: int) -> bool:
    """Return whether attention on a CPU uses plain products, without dropout and outside of vmap.

    Under vmap it always does: a stack's step is 3 to 9 % faster than with torch's own.
    """
    if number_bytes == 2:
        return length <= SIXTEEN_BIT_LENGTH
    return length <= NARROW_LENGTH and head_width in NARROW_HEADS


def attention_bytes(
    step: StepFormat, *, width: int, num_heads: int, has_dropout: bool = False
) -> float:
    """Return the bytes that `attend` keeps of a position: query, key, value, and the weights.

    Torch's fused kernel keeps the log of the weights' sum instead. Under vmap, and on a CPU with
    dropout, torch itself uses plain products.
    """
    heads = 3 * width * step.product_bytes
    is_written = has_dropout or is_written_out(
        length=step.length, head_width=width // num_heads, number_bytes=step.product_bytes
    )
    if not (step.has_own_weights or (step.on_cpu and is_written)):
        return heads + FLOAT32 * num_heads
    weights = num_heads * step.length * step.product_bytes
    return heads + (3 if has_dropout else 1) * weights  # dropped ones and their mask


def mask_bytes(step: StepFormat, number_bytes: int) -> int:
    """Return the bytes that dropout keeps of one number: on a CPU a number, else one byte."""
    return number_bytes if step.on_cpu else 1


def attend_after(
    past: Past | None,
    query_BHLK: Tensor,
    key_BGLK: Tensor,
    value_BGLK: Tensor,
    dropout: float = 0.0,
) -> Tensor:
    """Mix the values of earlier positions, [B, H, L, K]; keys and values join those of ``past``.

    Groups of heads share keys and values. L may exceed 1 only if ``past`` is empty.
    """
    is_first = past is None or past.length == 0
    if past is not None:
        past.add(key_BGLK, value_BGLK)
        if not is_first:
            key_BGLK, value_BGLK = past.keys_and_values()
    times = query_BHLK.shape[1] // key_BGLK.shape[1]
    if times > 1:
        key_BGLK = key_BGLK.repeat_interleave(times, dim=1)
        value_BGLK = value_BGLK.repeat_interleave(times, dim=1)
    if is_first:
        return attend(query_BHLK, key_BGLK, value_BGLK, dropout)
    assert query_BHLK.shape[2] == 1, query_BHLK.shape
    return attend_from_last(query_BHLK, key_BGLK, value_BGLK)


def attend(query_BHLK: Tensor, key_BHLK: Tensor, value_BHLK: Tensor, dropout: float) -> Tensor:
    """Mix the values over earlier positions, [B, H, L, K]; ``dropout`` is the weights' rate."""
    length, head_width = query_BHLK.shape[-2:]
    # Under vmap too: torch's fused kernel for CPUs has no batching rule (torch 2.13).
    plain = query_BHLK.device.type == "cpu" and (
        torch._C._are_functorch_transforms_active()
        or is_written_out(
            length=length, head_width=head_width, number_bytes=query_BHLK.element_size()
        )
    )
    attend = _written_out if plain else _fused
    return attend(query_BHLK, key_BHLK, value_BHLK, dropout)


def attend_from_last(query_BH1K: Tensor, keys_BHTK: Tensor, values_BHTK: Tensor) -> Tensor:
    """Return the attention of one query that sees all keys, [B, H, 1, K].

    Plain products: for one query the fused kernels are slower on a CPU (0.5 against 0.9 ms for
    B=64, H=4, T=256, K=32 in float32, 0.6 against 3.5 ms in bfloat16; torch 2.13, one core).
    """
    scores_BH1T = query_BH1K @ keys_BHTK.mT * query_BH1K.shape[-1] ** -0.5
    return scores_BH1T.softmax(dim=-1) @ values_BHTK


def _fused(query_BHLK: Tensor, key_BHLK: Tensor, value_BHLK: Tensor, dropout: float) -> Tensor:
    return functional.scaled_dot_product_attention(
        query_BHLK, key_BHLK, value_BHLK, dropout_p=dropout, is_causal=True
    )


def _written_out(
    query_BHLK: Tensor, key_BHLK: Tensor, value_BHLK: Tensor, dropout: float
) -> Tensor:
    """Compute the same from plain products, which `torch.func.vmap` also supports."""
    length, head_width = query_BHLK.shape[-2:]
    future_LL = query_BHLK.new_full((length, length), -math.inf).triu(1)
    scores_NLL = torch.baddbmm(
        future_LL, query_BHLK.flatten(0, 1), key_BHLK.flatten(0, 1).mT, alpha=head_width**-0.5
    )
    weights_NLL = dropped(scores_NLL.softmax(dim=-1), dropout)
    mixed_NLK = weights_NLL @ value_BHLK.flatten(0, 1)
    return mixed_NLK.view(query_BHLK.shape)


def require_divides(key: str, part: int, whole_key: str, whole: int) -> None:
    """Raises ValueError, which lists the choices, where ``part`` does not divide ``whole``."""
    if part < 1 or whole % part:
        choices = [number for number in range(1, whole + 1) if whole % number == 0]
        name = key.rpartition(".")[2]
        raise ValueError(
            f"{whole_key}={whole} is not divisible by {key}={part}: choose {name} from {choices}"
        )
