"""Apply dropout at GPT-2's places: on summed embeddings, attention weights, every branch.

Source: Srivastava et al. 2014, JMLR 15; the places are those of Radford et al. 2019. The curve's
loss includes dropout; measures read the whole model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from rote.core.checks import require_list, require_number
from rote.models.attention import PLACES
from rote.models.contracts import HasDropout
from rote.training.controls.protocol import PlannedTraining


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """Settings of dropout; raises ValueError for a rate outside [0, 1) and an unknown place."""

    rate: float
    places: Sequence[str]

    def __post_init__(self) -> None:
        require_number("control.dropout.rate", self.rate, 0, below=1)
        require_list("control.dropout.places", self.places)
        for place in self.places:
            if place not in PLACES:
                raise ValueError(f"control.dropout.places: {place!r} is not among {PLACES}")

    def check(self, planned: PlannedTraining) -> None:
        """Raises ValueError for a model that has no places for dropout."""
        if not isinstance(planned.model, HasDropout):
            name = type(planned.model).__name__
            raise ValueError(f"control.dropout: {name} has no places for it (no set_dropout)")

    def change_model(self, model: nn.Module) -> None:
        """Switch dropout on; names and number of parameters stay."""
        assert isinstance(model, HasDropout)
        model.set_dropout(self.rate, self.places)
