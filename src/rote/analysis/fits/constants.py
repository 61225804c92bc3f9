"""Constants of curves: what they mean and between which values they are sought."""

from dataclasses import MISSING, field
from typing import Any

EXPONENT = (1e-3, 10.0)  # bounds of every exponent


def constant(meaning: str, *bounds: float, default: Any = MISSING) -> Any:
    """A constant of a curve; ``bounds`` are the least and the greatest value that is tried."""
    return field(default=default, metadata={"meaning": meaning, "bounds": bounds})
