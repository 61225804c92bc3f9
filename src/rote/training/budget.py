"""How long a run may train, on how much at a time, and when it may stop."""

from dataclasses import dataclass

from rote.core.checks import require_number, require_whole
from rote.training.saturation import Saturation


@dataclass(frozen=True, kw_only=True)
class LBFGS:
    """A second phase: L-BFGS on the whole training set, after the optimiser's steps.

    It ends converged where the quadratic model at hand predicts that 1,000 more iterations like the
    last ones gain less than ``max_gain_per_1000_iterations`` of the bits memorised. Raises
    ValueError for numbers that are none of these.
    """

    max_evaluations: int  # of loss and gradient, each of the whole training set
    check_every_evaluations: int  # a row of the curve
    memory: int  # pairs of steps and changes of the gradient: two float64 for each parameter
    renew_every_iterations: int  # of the diagonal metric
    max_gain_per_1000_iterations: float  # relative to the bits memorised

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
    """Raises ValueError for counts that are not positive whole numbers."""

    max_steps: int  # optimiser steps
    batch_size: int  # sequences a step; a smaller data set is read whole
    check_every_steps: int  # a row of the curve, a look at the loss and at saturation
    saturation: Saturation
    finish: LBFGS | None = None  # what comes after them

    def __post_init__(self) -> None:
        for name in ("max_steps", "batch_size", "check_every_steps"):
            require_whole(f"budget.{name}", getattr(self, name), 1)

    def strides(self) -> list[range]:
        """All steps, cut where the loss is looked at."""
        starts = range(0, self.max_steps, self.check_every_steps)
        return [
            range(start, min(start + self.check_every_steps, self.max_steps)) for start in starts
        ]
