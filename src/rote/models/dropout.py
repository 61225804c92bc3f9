"""Dropout, and what a model offers that has places for it; where the rate is 0 it costs nothing."""

from collections.abc import Collection
from typing import Protocol, runtime_checkable

from torch import Tensor
from torch.nn import functional

PLACES = ("embedding", "attention", "residual")  # GPT-2's


@runtime_checkable
class HasDropout(Protocol):
    """A model with places where numbers can be dropped while it trains."""

    def set_dropout(self, rate: float, places: Collection[str]) -> None:
        """From now on, at these of `PLACES`; nowhere before the first call."""
        ...

    @property
    def dropout_places(self) -> Collection[str]:
        """Where that is."""
        ...


def dropped(values: Tensor, rate: float) -> Tensor:
    """Each number 0 with this probability, else grown so that the mean stays.

    Source: Srivastava et al. 2014, JMLR 15.
    """
    return functional.dropout(values, rate) if rate else values
