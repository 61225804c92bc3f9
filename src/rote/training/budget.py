"""Define how long a run may train, on how large batches, and when it may stop."""

from dataclasses import dataclass

from rote.core.checks import require_number, require_whole
from rote.training.saturation import Saturation


@dataclass(frozen=True, kw_only=True)
class LBFGS:
    """A second phase: L-BFGS on the whole training set, after the optimiser's steps.

    It ends converged when the current quadratic model predicts that 1,000 more iterations like the
    last ones gain less than ``max_gain_per_1000_iterations`` of the memorised bits. Raises
    ValueError for numbers out of range.
    """

    max_evaluations: int  # of loss and gradient on the whole training set
    check_every_evaluations: int  # interval between rows of the curve
    memory: int  # pairs of steps and gradient changes: two float64 per parameter
    renew_every_iterations: int  # interval between updates of the diagonal metric
    max_gain_per_1000_iterations: float  # relative to the memorised bits

    def __post_init__(self) -> None:
        for name in (
            "max_evaluations",
            "check_every_evaluations",
            "memory",
            "renew_every_iterations",
        ):
            require_whole(f"budget.finish.{name}", getattr(self, name), 1)
        name = "max_gain_per_1000_iterations"
        require_number(f"budget.finish.{name}", getattr(self, name), 0)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits of one training run; raises ValueError for counts that are not whole and positive."""

    max_steps: int  # optimiser steps
    batch_size: int  # sequences a step; a smaller data set is read whole
    check_every_steps: int  # interval between rows of the curve and checks for saturation
    saturation: Saturation
    finish: LBFGS | None = None  # a second phase after the steps

    def __post_init__(self) -> None:
        for name in ("max_steps", "batch_size", "check_every_steps"):
            require_whole(f"budget.{name}", getattr(self, name), 1)

    def strides(self) -> list[range]:
        """Return all steps, cut where the loss is checked."""
        starts = range(0, self.max_steps, self.check_every_steps)
        return [
            range(start, min(start + self.check_every_steps, self.max_steps)) for start in starts
        ]
