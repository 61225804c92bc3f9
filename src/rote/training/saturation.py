"""When a run has stopped memorising: growth of memorised bits, judged on training loss alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from rote.core.checks import require_whole

STARTED_FRACTION = 0.01  # of the entropy; below it a run has not begun to memorise, not finished


@dataclass(frozen=True, kw_only=True)
class Saturation:
    """Bits gained per 1,000 steps, as a fraction of what is memorised, below a threshold.

    Raises ValueError for steps that are no count.
    """

    window_steps: int  # growth is taken between this window's mean and the one before it
    max_growth_per_1000_steps: float  # relative to the bits memorised
    min_steps: int  # never stop earlier

    def __post_init__(self) -> None:
        require_whole("budget.saturation.window_steps", self.window_steps, 1)
        require_whole("budget.saturation.min_steps", self.min_steps, 0)

    def growth(self, memorised_bits: Sequence[float], check_every_steps: int) -> float | None:
        """Bits per 1,000 steps from equally spaced estimates; None before two windows are full."""
        width = max(1, round(self.window_steps / check_every_steps))
        if len(memorised_bits) < 2 * width:
            return None
        now = sum(memorised_bits[-width:]) / width
        before = sum(memorised_bits[-2 * width : -width]) / width
        return (now - before) * 1000 / (width * check_every_steps)

    def reached(self, growth: float | None, memorised_bits: float, entropy_bits: float) -> bool:
        """Whether growth has died down, either way, on a run that has begun to memorise.

        A fall is not saturation: a spike of the loss must not look like the end.
        """
        if growth is None or memorised_bits <= STARTED_FRACTION * entropy_bits:
            return False
        return abs(growth) < self.max_growth_per_1000_steps * memorised_bits
