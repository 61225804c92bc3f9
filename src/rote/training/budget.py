"""How long a run may train, on how much at a time, and when it may stop."""

from dataclasses import dataclass

from rote.checks import require_whole
from rote.training.saturation import Saturation


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Raises ValueError for counts that are not positive whole numbers."""

    max_steps: int  # optimiser steps
    batch_size: int  # sequences a step; a smaller data set is read whole
    check_every_steps: int  # a row of the curve, a look at the loss and at saturation
    saturation: Saturation

    def __post_init__(self) -> None:
        for name in ("max_steps", "batch_size", "check_every_steps"):
            require_whole(f"budget.{name}", getattr(self, name), 1)

    def strides(self) -> list[range]:
        """All steps, cut where the loss is looked at."""
        starts = range(0, self.max_steps, self.check_every_steps)
        return [
            range(start, min(start + self.check_every_steps, self.max_steps)) for start in starts
        ]
