"""How weights are stored and how matrix products run: one context for training and measuring."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MATMULS = ("highest", "high")  # torch's names: full float32, or TF32 where the device has it


@dataclass(frozen=True, kw_only=True)
class Precision:
    """A number format. "bf16" is never one thing: autocast and pure bf16 are two values.

    Raises ValueError for a dtype or matmul mode that is not known.
    """

    name: str  # the choice's own name, so that tables say fp32 and not four settings
    weights: str  # dtype in which weights, gradients and optimiser state are stored
    autocast: str | None  # dtype of matrix products where it differs from that of the weights
    matmul: str  # "highest": TF32 off; "high": TF32 allowed

    def __post_init__(self) -> None:
        for field, value, choices in (
            ("weights", self.weights, tuple(DTYPES)),
            ("autocast", self.autocast, (None, *DTYPES)),
            ("matmul", self.matmul, MATMULS),
        ):
            if value not in choices:
                raise ValueError(f"precision.{field}={value!r}: choose from {choices}")

    def cast(self, model: nn.Module) -> nn.Module:
        """The model with its weights in this format."""
        return model.to(DTYPES[self.weights])

    def check(
        self, *, device_type: str, strategy: str, has_finish: bool, has_own_gradients: bool
    ) -> None:
        """Before any training; raises ValueError for what this format cannot do.

        ``has_finish``: the budget ends at a minimum, by steps that only float32 holds;
        ``has_own_gradients``: a control takes the gradients of single sequences.
        """
        is_fp32 = (self.weights, self.autocast, self.matmul) == ("float32", None, "highest")
        if has_finish and not is_fp32:
            raise ValueError(
                f"budget.finish needs precision=fp32, not {self.name}: near a minimum, gradients "
                "in a shorter format are mostly rounding, and what float32 finds does not survive "
                "it"
            )

    @property
    def copied_bytes(self) -> int:
        """Of a weight's copy that is kept from the forward pass to the backward one; 0: none is."""
        product = DTYPES[self.autocast or self.weights].itemsize
        return 0 if product == DTYPES[self.weights].itemsize else product

    @property
    def why_alone(self) -> str | None:
        """What keeps a run in this format from training in a stack."""
        return None

    def trainable(self, model: nn.Module) -> nn.Module:
        """The model as it is trained in this format, changed in place; it is cast already."""
        return model

    def settle(self, model: nn.Module) -> None:
        """After training, in place: a plain model with the weights that are measured and kept."""

    def facts(self, model: nn.Module) -> Mapping[str, float]:
        """What a record says of a settled model besides."""
        return {}

    def scaled(self, loss: Tensor) -> Tensor:
        """What gradients are taken of."""
        return loss

    def unscale(self, gradients: Sequence[Tensor]) -> None:
        """In place: gradients of the loss, out of those of `scaled`."""

    @contextmanager
    def active(self, device_type: str) -> Iterator[None]:
        """Inside, every matrix product runs as this format says; restores what was set before."""
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(self.matmul)
        autocast = (
            torch.autocast(device_type, DTYPES[self.autocast]) if self.autocast else nullcontext()
        )
        try:
            with autocast:
                yield
        finally:
            torch.set_float32_matmul_precision(before)


@dataclass(frozen=True, kw_only=True)
class LossScaled(Precision):
    """Gradients are taken of a multiple of the loss, so that small ones are not 0 in float16.

    A constant factor (Micikevicius et al. 2017, arXiv 1710.03740, section 3.2): it holds no state,
    so a run of a stack, one alone and one that goes on from a checkpoint take the same steps. No
    step is skipped: where a gradient overflows the run ends as diverged. Raises ValueError.
    """

    loss_scale: int  # a power of two: it is exact

    def __post_init__(self) -> None:
        super().__post_init__()
        scale = self.loss_scale
        if not isinstance(scale, int) or scale < 1 or scale & (scale - 1):
            raise ValueError(f"precision.loss_scale must be a power of two, got {scale!r}")

    def check(
        self, *, device_type: str, strategy: str, has_finish: bool, has_own_gradients: bool
    ) -> None:
        """See `Precision`."""
        super().check(
            device_type=device_type, strategy=strategy, has_finish=has_finish,
            has_own_gradients=has_own_gradients,
        )  # fmt: skip
        if has_own_gradients:
            raise ValueError(
                f"precision={self.name} does not go with control.dp_sgd: gradients of single "
                "sequences are taken without the scale of the loss that float16 needs"
            )

    def scaled(self, loss: Tensor) -> Tensor:
        """See `Precision`."""
        return loss * self.loss_scale

    def unscale(self, gradients: Sequence[Tensor]) -> None:
        """See `Precision`."""
        if gradients:
            torch._foreach_div_(list(gradients), float(self.loss_scale))
