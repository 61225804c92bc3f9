"""How weights are stored and how matrix products run: one context for training and measuring."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

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
