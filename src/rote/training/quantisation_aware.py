"""Number formats of few bits in training: rounded weights, float32 master weights behind them.

Forward passes see each matrix rounded; its gradient goes to the master weight as if nothing had
been rounded (the straight-through estimator, Bengio et al. 2013, arXiv 1308.3432; of integers as in
Jacob et al. 2017, arXiv 1712.05877). The matrices are those of `rote.models.quantise.matrices`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from rote.models.quantise import WeightFormat, matrices, stored_bits
from rote.precision import DTYPES, Precision


@dataclass(frozen=True, kw_only=True)
class QuantisationAware(Precision):
    """``format`` is trained in, measured and kept; master weights are in ``weights``.

    While it trains, a matrix ``x.weight`` is the parameter ``x.parametrizations.weight.original``,
    in stacks and checkpoints too. Once training is over the model is a plain one again.
    """

    format: WeightFormat

    def check(
        self, *, device_type: str, strategy: str, has_finish: bool, has_own_gradients: bool
    ) -> None:
        """Raises ValueError: a rounded loss has no minimum to go down to, and no parts."""
        if has_finish:
            raise ValueError(
                f"budget.finish needs precision=fp32, not {self.name}: the loss of rounded weights "
                "is flat between its steps, and straight-through gradients are not its own"
            )
        if strategy == "fsdp":
            raise ValueError(
                f"precision={self.name} does not go with host.strategy=fsdp: scales are of whole "
                "matrices; use ddp"
            )

    @property
    def copied_bytes(self) -> int:
        """See `Precision`: the rounded weight."""
        return DTYPES[self.weights].itemsize

    def trainable(self, model: nn.Module) -> nn.Module:
        """See `Precision`."""
        for name in matrices(model):
            path, _, own = name.rpartition(".")
            parametrize.register_parametrization(
                model.get_submodule(path), own, _Rounded(self.format), unsafe=True
            )
        return model

    def settle(self, model: nn.Module) -> None:
        """See `Precision`; a second time nothing happens."""
        for module in list(model.modules()):
            if parametrize.is_parametrized(module):
                for name in list(module.parametrizations):  # type: ignore[arg-type]
                    parametrize.remove_parametrizations(module, name, leave_parametrized=True)

    def facts(self, model: nn.Module) -> Mapping[str, float]:
        """``stored_bits`` of the settled model, scales and unquantised vectors included."""
        return {"stored_bits": stored_bits(model, self.format)}


class _Rounded(nn.Module):
    """A weight in a format; torch asks for it whenever the weight is read."""

    def __init__(self, form: WeightFormat) -> None:
        super().__init__()
        self.form = form

    def forward(self, weight_RC: Tensor) -> Tensor:
        rounded: Tensor = _StraightThrough.apply(weight_RC, self.form)  # type: ignore[no-untyped-call]
        return rounded


class _StraightThrough(torch.autograd.Function):
    """The rounded weight itself, not w + (rounded - w), which float32 would round once more."""

    generate_vmap_rule = True

    @staticmethod
    def forward(weight_RC: Tensor, form: WeightFormat) -> Tensor:
        return form.rounded(weight_RC)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None
