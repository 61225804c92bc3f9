"""Dropout at GPT-2's places: on the sum of embeddings, on attention weights, on every branch.

Source: Srivastava et al. 2014, JMLR 15; the places are those of Radford et al. 2019.
The curve's loss is that of the thinned model; measures read the whole one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from rote.core.checks import require_number
from rote.models.attention import PLACES
from rote.models.contracts import HasDropout
from rote.training.controls.protocol import PlannedTraining


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """Raises ValueError for a rate that is none and a place that is not known."""

    rate: float
    places: Sequence[str]

    def __post_init__(self) -> None:
        require_number("control.dropout.rate", self.rate, 0, below=1)
        for place in self.places:
            if place not in PLACES:
                raise ValueError(f"control.dropout.places: {place!r} is not among {PLACES}")

    def check(self, prospect: PlannedTraining) -> None:
        """A model says itself where it can drop numbers."""
        if not isinstance(prospect.model, HasDropout):
            name = type(prospect.model).__name__
            raise ValueError(f"control.dropout: {name} has no places for it (no set_dropout)")

    def change_model(self, model: nn.Module) -> None:
        """Names and number of parameters stay."""
        assert isinstance(model, HasDropout)
        model.set_dropout(self.rate, self.places)
