"""Dropout: where the rate is 0 it costs nothing."""

from torch import Tensor
from torch.nn import functional

PLACES = ("embedding", "attention", "residual")  # GPT-2's


def dropped(values: Tensor, rate: float) -> Tensor:
    """Each number 0 with this probability, else grown so that the mean stays.

    Source: Srivastava et al. 2014, JMLR 15.
    """
    return functional.dropout(values, rate) if rate else values
