"""Linear layers whose products run in float8, on devices that have it; all else in bfloat16.

Source: Micikevicius et al. 2022 (arXiv 2209.05433): e4m3 forwards, e5m2 for gradients, one scale a
tensor, here of the tensor itself at each step. Embedding and head stay in bfloat16.
Shapes: N positions, C inputs, R outputs.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rote.precision import Precision

LEAST_CAPABILITY = (8, 9)  # of CUDA: Ada and Hopper; older ones have no products in float8
SIDE = 16  # inputs and outputs are multiples of it: cuBLASLt's kernels take no others
FORWARD, BACKWARD = torch.float8_e4m3fn, torch.float8_e5m2


@dataclass(frozen=True, kw_only=True)
class Float8Products(Precision):
    """Master weights in ``weights``; measured and kept models multiply in float8 too."""

    def check(
        self, *, device_type: str, strategy: str, has_finish: bool, has_own_gradients: bool
    ) -> None:
        """Raises ValueError for a device without float8, FSDP's parts and per-sample gradients."""
        super().check(
            device_type=device_type, strategy=strategy, has_finish=has_finish,
            has_own_gradients=has_own_gradients,
        )  # fmt: skip
        self._require(device_type == "cuda")
        if strategy == "fsdp":
            raise ValueError(f"precision={self.name} does not go with host.strategy=fsdp: use ddp")
        if has_own_gradients:
            raise ValueError(f"precision={self.name} does not go with control.dp_sgd")

    def trainable(self, model: nn.Module) -> nn.Module:
        """Raises ValueError: only the process that trains may ask what its GPU is.

        CUDA would not survive a fork of the one that plans.
        """
        is_there = torch.cuda.is_available()
        self._require(is_there and torch.cuda.get_device_capability() >= LEAST_CAPABILITY)
        return model

    def _require(self, has_float8: bool, /) -> None:
        if not has_float8:
            raise ValueError(
                f"precision={self.name} needs a GPU of CUDA capability 8.9 or more (Ada, Hopper); "
                "measure=[cost,quantised] rounds to float8 on any device"
            )

    @property
    def why_alone(self) -> str | None:
        """See `Precision`."""
        return f"precision={self.name}: products in float8 know no vmap"

    def cast(self, model: nn.Module) -> nn.Module:
        """Its linear layers changed in place; raises ValueError for sides that kernels refuse."""
        for name, layer in super().cast(model).named_modules():
            if isinstance(layer, nn.Linear):
                if layer.in_features % SIDE or layer.out_features % SIDE:
                    raise ValueError(
                        f"precision={self.name} takes layers whose sides are multiples of {SIDE}: "
                        f"{name} is {layer.out_features} x {layer.in_features}"
                    )
                layer.forward = partial(_linear, layer)  # type: ignore[method-assign]
        return model


def _linear(layer: nn.Linear, inputs: Tensor) -> Tensor:
    """As the layer, [..., C] -> [..., R] in bfloat16."""
    rows_NC = inputs.flatten(0, -2).bfloat16()
    product_NR = _Product.apply(rows_NC, layer.weight)  # type: ignore[no-untyped-call]
    bias = layer.bias
    whole = product_NR if bias is None else product_NR + bias.to(product_NR.dtype)
    return whole.view(*inputs.shape[:-1], -1)


class _Product(torch.autograd.Function):
    """inputs times the weight's transpose; gradients are products in float8 as well."""

    @staticmethod
    def forward(ctx: Any, inputs_NC: Tensor, weight_RC: Tensor) -> Tensor:
        ctx.save_for_backward(inputs_NC, weight_RC)
        return float8_product(inputs_NC, weight_RC, FORWARD)

    @staticmethod
    def backward(ctx: Any, gradient_NR: Tensor) -> tuple[Tensor, Tensor]:
        inputs_NC, weight_RC = ctx.saved_tensors
        of_inputs = float8_product(gradient_NR, weight_RC.t(), BACKWARD)
        missing = -len(inputs_NC) % SIDE  # positions are summed over here: their number is a side
        rows_NC, gradients_NR = (
            functional.pad(one, (0, 0, 0, missing)) for one in (inputs_NC, gradient_NR)
        )
        of_weight = float8_product(gradients_NR.t(), rows_NC.t(), BACKWARD)
        return of_inputs, of_weight.to(weight_RC.dtype)


def float8_product(left_NC: Tensor, right_RC: Tensor, left_dtype: torch.dtype) -> Tensor:
    """left times right's transpose, [N, R] in bfloat16; right is rounded to e4m3."""
    left_8, left_scale = _rounded(left_NC, left_dtype)
    right_8, right_scale = _rounded(right_RC, FORWARD)
    product: Tensor = torch._scaled_mm(
        left_8.contiguous(), right_8.contiguous().t(), scale_a=left_scale, scale_b=right_scale,
        out_dtype=torch.bfloat16,
    )  # fmt: skip
    return product


def _rounded(tensor: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The largest magnitude becomes the format's largest; and the scale, float32."""
    wide = tensor.detach().float()
    largest = torch.finfo(dtype).max
    scale = (wide.abs().amax() / largest).clamp(min=torch.finfo(torch.float32).tiny)
    return (wide / scale).clamp(-largest, largest).to(dtype), scale
