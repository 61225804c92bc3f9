"""Compute learning-rate schedules: the fraction of the peak rate at a step, with warm-up.

Each is a pure function of (step, max_steps), so resuming needs no state. Step 0 is the first
update; the last one, max_steps - 1, still moves the weights. All raise ValueError for settings out
of range.
"""

import math
from bisect import bisect_left
from collections.abc import Callable

from rote.core.checks import require_number, require_whole

Schedule = Callable[[int, int], float]


def constant(step: int, max_steps: int, *, warmup_steps: int) -> float:
    """Linear warm-up, then 1."""
    return _rate(step, max_steps, warmup_steps, 1.0, lambda progress: 1.0)


def linear(step: int, max_steps: int, *, warmup_steps: int, final_fraction: float) -> float:
    """Linear warm-up, then a straight line from 1 to ``final_fraction`` at ``max_steps``."""
    return _rate(step, max_steps, warmup_steps, final_fraction, lambda progress: 1 - progress)


def flat_linear(
    step: int, max_steps: int, *, warmup_steps: int, decay_fraction: float, final_fraction: float
) -> float:
    """Linear warm-up, then 1, then a linear decay over the last ``decay_fraction`` of the rest.

    Raises ValueError for a ``decay_fraction`` outside (0, 1].
    """
    if not 0 < decay_fraction <= 1:
        raise ValueError(f"optim.schedule.decay_fraction must be in (0, 1], got {decay_fraction}")
    falls = lambda progress: min(1.0, (1 - progress) / decay_fraction)  # noqa: E731
    return _rate(step, max_steps, warmup_steps, final_fraction, falls)


def cosine(step: int, max_steps: int, *, warmup_steps: int, final_fraction: float) -> float:
    """Linear warm-up, then half a cosine from 1 to ``final_fraction`` at ``max_steps``."""
    return _rate(step, max_steps, warmup_steps, final_fraction, _half_cosine)


def cosine_floor(
    step: int, max_steps: int, *, warmup_steps: int, decay_steps: int, final_fraction: float
) -> float:
    """`cosine` over the first ``decay_steps``, warm-up included, then ``final_fraction``."""
    require_whole("optim.schedule.decay_steps", decay_steps, 1)
    end = min(step, decay_steps)
    return _rate(end, decay_steps, warmup_steps, final_fraction, _half_cosine)


def earliest_end(schedule: Schedule, step: int, max_steps: int) -> int:
    """Return the smallest total number of steps with the same rate at ``step`` as ``max_steps``.

    A constant schedule may end at the next step. In a flat part the decay may start now. A rate
    that is already falling would jump, so ``max_steps`` stays.
    """
    rate = schedule(step, max_steps)
    ends = range(step + 1, max_steps)
    return step + 1 + bisect_left(ends, rate, key=lambda end: schedule(step, end))


def _half_cosine(progress: float) -> float:
    return (1 + math.cos(math.pi * progress)) / 2


def _rate(
    step: int,
    max_steps: int,
    warmup_steps: int,
    final_fraction: float,
    remaining: Callable[[float], float],
) -> float:
    """Return warm-up times what is left above ``final_fraction``.

    ``remaining`` is a function of the progress after warm-up: 0 until its end, 1 at ``max_steps``.
    """
    require_whole("optim.schedule.warmup_steps", warmup_steps, 0)
    require_number("optim.schedule.final_fraction", final_fraction, 0)
    progress = max(0.0, step - warmup_steps) / max(1, max_steps - warmup_steps)
    warmup = min(1.0, (step + 1) / (warmup_steps + 1))
    return warmup * (final_fraction + (1 - final_fraction) * remaining(progress))
