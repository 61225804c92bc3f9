"""Compute learning-rate schedules: the fraction of the peak rate at a step, with warm-up.

Each is a pure function of (step, max_steps), so resuming needs no state. Step 0 is the first
update; the last one, max_steps - 1, still moves the weights.
"""

import math
from bisect import bisect_left
from collections.abc import Callable

Schedule = Callable[[int, int], float]


def constant(step: int, max_steps: int, *, warmup_steps: int) -> float:
    """Linear warm-up, then 1."""
    return _warmup(step, warmup_steps)


def linear(step: int, max_steps: int, *, warmup_steps: int, final_fraction: float) -> float:
    """Linear warm-up, then a straight line from 1 to ``final_fraction`` at ``max_steps``."""
    remaining = 1 - _progress(step, max_steps, warmup_steps)
    return _warmup(step, warmup_steps) * (final_fraction + (1 - final_fraction) * remaining)


def flat_linear(
    step: int, max_steps: int, *, warmup_steps: int, decay_fraction: float, final_fraction: float
) -> float:
    """Linear warm-up, then 1, then a linear decay over the last ``decay_fraction`` of the rest.

    Raises ValueError for a ``decay_fraction`` outside (0, 1].
    """
    if not 0 < decay_fraction <= 1:
        raise ValueError(f"optim.schedule.decay_fraction must be in (0, 1], got {decay_fraction}")
    remaining = min(1.0, (1 - _progress(step, max_steps, warmup_steps)) / decay_fraction)
    return _warmup(step, warmup_steps) * (final_fraction + (1 - final_fraction) * remaining)


def cosine(step: int, max_steps: int, *, warmup_steps: int, final_fraction: float) -> float:
    """Linear warm-up, then half a cosine from 1 to ``final_fraction`` at ``max_steps``."""
    remaining = (1 + math.cos(math.pi * _progress(step, max_steps, warmup_steps))) / 2
    return _warmup(step, warmup_steps) * (final_fraction + (1 - final_fraction) * remaining)


def cosine_floor(
    step: int, max_steps: int, *, warmup_steps: int, decay_steps: int, final_fraction: float
) -> float:
    """`cosine` over the first ``decay_steps``, warm-up included, then ``final_fraction``."""
    return cosine(
        min(step, decay_steps),
        decay_steps,
        warmup_steps=warmup_steps,
        final_fraction=final_fraction,
    )


def earliest_end(schedule: Schedule, step: int, max_steps: int) -> int:
    """Return the smallest total number of steps with the same rate at ``step`` as ``max_steps``.

    A constant schedule may end at the next step. In a flat part the decay may start now. A rate
    that is already falling would jump, so ``max_steps`` stays.
    """
    rate = schedule(step, max_steps)
    ends = range(step + 1, max_steps)
    return step + 1 + bisect_left(ends, rate, key=lambda end: schedule(step, end))


def _warmup(step: int, warmup_steps: int) -> float:
    return min(1.0, (step + 1) / (warmup_steps + 1))


def _progress(step: int, max_steps: int, warmup_steps: int) -> float:
    """Return the progress after warm-up: 0 until its end, 1 at ``max_steps``."""
    return max(0.0, step - warmup_steps) / max(1, max_steps - warmup_steps)
