"""Round matrices to few bits in several weight formats, and count the bits that storing them takes.

Every parameter with two dimensions or more is a matrix and is quantised, also the tied embedding,
which is most of a small model. Vectors (norms and biases) stay as they are.
Shapes: "..." leading dimensions (experts, models of a stack), R rows (outputs), C columns
(inputs), G groups of a row, S columns of a group.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.core.checks import require_flag, require_whole

SCALE_BITS = 16  # a group's scale is a float16
MATRIX_SCALE_BITS = 32  # the one scale of a whole matrix is a float32
TERNARY_PER_BYTE = 5  # 3^5 = 243 of 256: 1.6 bits a weight, log2(3) = 1.585
LARGEST_E4M3 = 448.0  # of torch.float8_e4m3fn (Micikevicius et al. 2022, arXiv 2209.05433)


class WeightFormat(Protocol):
    """A format that rounds matrices."""

    def rounded(self, weight_RC: Tensor) -> Tensor:
        """Return [..., R, C] in the weight's own dtype: the values that the stored bits encode."""

    def stored_bits(self, shape: Sequence[int]) -> int:
        """Return the bits of a weight [..., R, C], scales and zero points included."""


@dataclass(frozen=True, kw_only=True)
class Integers:
    """Whole multiples of a scale, one scale for each group of columns in a row.

    Symmetric: levels -(2^(bits-1) - 1) to 2^(bits-1) - 1; the scale is the largest magnitude over
    the highest level. Otherwise 2^bits levels from the group's least value, or 0, to its largest,
    and a zero point of ``bits`` beside the scale (Jacob et al. 2017, arXiv 1712.05877). Rounded to
    nearest, ties to even. Raises ValueError for numbers out of range.
    """

    bits: int
    group_size: int | None  # columns; None: a whole row
    is_symmetric: bool

    def __post_init__(self) -> None:
        require_whole("bits of an integer format", self.bits, 2, 8)
        require_flag("is_symmetric of an integer format", self.is_symmetric)
        if self.group_size is not None:
            require_whole("group_size of an integer format", self.group_size, 1)

    def rounded(self, weight_RC: Tensor) -> Tensor:
        """See `WeightFormat`; a row's last group may be shorter."""
        columns = weight_RC.shape[-1]
        size = min(self.group_size or columns, columns)
        # Zeros change neither a largest magnitude nor a range that holds 0.
        padded = functional.pad(weight_RC.float(), (0, -columns % size))
        groups_RGS = padded.reshape(*padded.shape[:-1], -1, size)
        rounded_RGS = self.snapped(groups_RGS, *self.grid(groups_RGS))
        return rounded_RGS.flatten(-2)[..., :columns].contiguous().to(weight_RC.dtype)

    def grid(self, group_S: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale, a float16's value, and zero point of groups [..., S], [..., 1] each.

        The scale is 1 where all weights of a group round to 0.
        """
        if self.is_symmetric:
            scale = group_S.abs().amax(dim=-1, keepdim=True) / self._levels
            scale = _as_float16(scale)
            return scale, torch.zeros_like(scale)
        least = group_S.amin(dim=-1, keepdim=True).clamp(max=0)
        most = group_S.amax(dim=-1, keepdim=True).clamp(min=0)
        scale = _as_float16((most - least) / self._levels)
        return scale, (-least / scale).round().clamp(0, self._levels)

    def snapped(self, values: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
        """Round the values to the nearest of a grid."""
        least = -self._levels if self.is_symmetric else 0
        level = ((values / scale).round() + zero).clamp(least, self._levels)
        return (level - zero) * scale

    def stored_bits(self, shape: Sequence[int]) -> int:
        """See `WeightFormat`."""
        rows, columns = prod(shape[:-1]), shape[-1]
        groups = -(-columns // min(self.group_size or columns, columns))
        beside = SCALE_BITS if self.is_symmetric else SCALE_BITS + self.bits
        return rows * (columns * self.bits + groups * beside)

    @property
    def _levels(self) -> int:
        """The highest level."""
        return int(2 ** (self.bits - 1) - 1 if self.is_symmetric else 2**self.bits - 1)


@dataclass(frozen=True, kw_only=True)
class Float8:
    """float8 e4m3 (4 bits of exponent, 3 of mantissa); a matrix's largest is scaled to 448."""

    def rounded(self, weight_RC: Tensor) -> Tensor:
        """See `WeightFormat`."""
        weight = weight_RC.float()
        largest = weight.abs().amax(dim=(-2, -1), keepdim=True)
        scale = _not_zero(largest / LARGEST_E4M3)
        scaled = (weight / scale).clamp(-LARGEST_E4M3, LARGEST_E4M3)
        return (scaled.to(torch.float8_e4m3fn).float() * scale).to(weight_RC.dtype)

    def stored_bits(self, shape: Sequence[int]) -> int:
        """See `WeightFormat`."""
        return 8 * prod(shape) + MATRIX_SCALE_BITS * prod(shape[:-2])


@dataclass(frozen=True, kw_only=True)
class Ternary:
    """-1, 0 or 1 times the mean magnitude of a matrix: BitNet b1.58's absmean.

    Source: Ma et al. 2024 (arXiv 2402.17764), equations 1 to 3, applied to weights alone;
    activations keep their format.
    """

    def rounded(self, weight_RC: Tensor) -> Tensor:
        """See `WeightFormat`."""
        weight = weight_RC.float()
        mean = _not_zero(weight.abs().mean(dim=(-2, -1), keepdim=True))
        return ((weight / mean).round().clamp(-1, 1) * mean).to(weight_RC.dtype)

    def stored_bits(self, shape: Sequence[int]) -> int:
        """See `WeightFormat`; five weights in a byte."""
        of_matrix = 8 * -(-prod(shape[-2:]) // TERNARY_PER_BYTE) + MATRIX_SCALE_BITS
        return of_matrix * prod(shape[:-2])


def matrices(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are quantised, by name; a tied one once."""
    return {name: one for name, one in model.named_parameters() if one.ndim >= 2}


def rounded_weights(model: nn.Module, form: WeightFormat) -> dict[str, Tensor]:
    """Return every matrix rounded to nearest, by name."""
    return {name: form.rounded(weight.detach()) for name, weight in matrices(model).items()}


def stored_bits(model: nn.Module, form: WeightFormat) -> int:
    """Return the bits of the model: matrices in this format, all else in its own dtype."""
    quantised = matrices(model)
    rest = [one for name, one in model.named_parameters() if name not in quantised]
    return sum(form.stored_bits(one.shape) for one in quantised.values()) + sum(
        8 * one.element_size() * one.numel() for one in rest
    )


@contextmanager
def replaced(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Give the model these weights inside the block, and its own again afterwards, bit for bit.

    The tensors themselves are exchanged; nothing is copied.
    """
    named = dict(model.named_parameters())
    own = {name: named[name].data for name in weights}
    try:
        set_weights(named, weights)
        yield
    finally:
        set_weights(named, own)


def set_weights(named: Mapping[str, nn.Parameter], weights: Mapping[str, Tensor]) -> None:
    """Give parameters other tensors, and clear autocast's copies of the old ones."""
    for name, weight in weights.items():
        named[name].data = weight
    torch.clear_autocast_cache()


def _as_float16(scale: Tensor) -> Tensor:
    """Round to a float16's value, kept in range; 0 becomes 1."""
    largest = torch.finfo(torch.float16).max
    return _not_zero(scale.clamp(max=largest).to(torch.float16).to(scale.dtype))


def _not_zero(scale: Tensor) -> Tensor:
    return torch.where(scale == 0, torch.ones_like(scale), scale)
