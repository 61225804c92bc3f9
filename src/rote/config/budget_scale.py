"""Scale every count of steps by ROTE_BUDGET_SCALE, to try a whole pipeline in minutes."""

import os
from collections.abc import Mapping
from typing import Any

VARIABLE = "ROTE_BUDGET_SCALE"
STEPS = (  # scaled at any depth below budget and optim
    "max_steps", "check_every_steps", "window_steps", "min_steps", "warmup_steps", "decay_steps",
    "max_evaluations", "check_every_evaluations",
)  # fmt: skip


def with_scaled_budget(config: dict[str, Any]) -> dict[str, Any]:
    """Return ``config`` with its steps multiplied by ROTE_BUDGET_SCALE, at least one each.

    The run id covers the scaled counts, so such a run is never taken for the full one.
    Raises ValueError where the variable is not a number above 0 and at most 1.
    """
    text = os.environ.get(VARIABLE, "1")
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= 1:
        raise ValueError(f"{VARIABLE} must be a number above 0 and at most 1, got {text!r}")
    if scale == 1:
        return config
    return config | {part: _scaled(config[part], scale) for part in ("budget", "optim")}


def _scaled(value: Any, scale: float) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {
        key: max(1, round(item * scale))
        if key in STEPS and type(item) is int and item > 0
        else _scaled(item, scale)
        for key, item in value.items()
    }
