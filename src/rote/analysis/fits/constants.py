"""Curves: what their constants mean, between which values these are sought, and power laws."""

from dataclasses import MISSING, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXPONENT = (1e-3, 10.0)  # bounds of every exponent


def constant(meaning: str, *bounds: float, default: Any = MISSING) -> Any:
    """A constant of a curve; ``bounds`` are the least and the greatest value that is tried."""
    return field(default=default, metadata={"meaning": meaning, "bounds": bounds})


def power(scale: ArrayLike, x: ArrayLike, exponent: ArrayLike) -> NDArray[np.float64]:
    """(scale / x)^exponent, for factors that no float holds on the way."""
    return np.exp(np.asarray(exponent) * (np.log(scale) - np.log(x)))
