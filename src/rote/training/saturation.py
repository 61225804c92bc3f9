"""Decide when a run stops memorising, from the growth of memorised bits in training loss alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from rote.core.checks import require_whole

STARTED_FRACTION = 0.01  # of the entropy; below it a run has not begun to memorise


@dataclass(frozen=True, kw_only=True)
class Saturation:
    """A run is saturated if bits gained per 1,000 steps, relative to all, are below a threshold.

    Raises ValueError for step counts out of range.
    """

    window_steps: int  # growth is the difference of the means of this window and the one before
    max_growth_per_1000_steps: float  # relative to the memorised bits
    min_steps: int  # never stop earlier

    def __post_init__(self) -> None:
        require_whole("budget.saturation.window_steps", self.window_steps, 1)
        require_whole("budget.saturation.min_steps", self.min_steps, 0)

    def growth(self, memorised_bits: Sequence[float], check_every_steps: int) -> float | None:
        """Return bits per 1,000 steps from evenly spaced estimates; None before two windows."""
        width = max(1, round(self.window_steps / check_every_steps))
        if len(memorised_bits) < 2 * width:
            return None
        now = sum(memorised_bits[-width:]) / width
        before = sum(memorised_bits[-2 * width : -width]) / width
        return (now - before) * 1000 / (width * check_every_steps)

    def reached(self, growth: float | None, memorised_bits: float, entropy_bits: float) -> bool:
        """Return whether growth is near zero in a run that has begun to memorise.

        A large fall is not saturation: a spike of the loss must not look like the end.
        """
        if growth is None or memorised_bits <= STARTED_FRACTION * entropy_bits:
            return False
        return abs(growth) < self.max_growth_per_1000_steps * memorised_bits
