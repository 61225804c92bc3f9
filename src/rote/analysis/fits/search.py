"""Least squares of one curve, in which no constant runs away.

Runs may leave a constant without a best value (all on one side of a knee, bits below zero, a cliff
between two sizes), and of resampled ones some always do: the search then runs to infinity, and
with it whatever the curve is asked for. A constant without a bound of its own ends as far from its
start as ``farthest`` says; before it gets there the search is scipy's own.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Floats = NDArray[np.float64]


def least_squares_within(
    residuals: Callable[[Floats], Floats],
    start_K: Sequence[float],
    bounds_K2: Sequence[tuple[float, float]],
    *,
    farthest: float = np.inf,
    jacobian: Callable[[Floats], Floats] | None = None,
    x_scale: Any = "jac",
) -> Floats:
    """The constants [K]; ``bounds_K2`` may be infinite where there is a ``farthest``."""
    bounds, start = np.array(bounds_K2, dtype=np.float64), np.asarray(start_K, dtype=np.float64)
    ends = np.where(np.isfinite(bounds), bounds, start[:, None] + farthest * np.array([-1.0, 1.0]))
    assert np.isfinite(ends).all(), "a constant that nothing bounds"

    def inside(x_K: Floats) -> Floats:
        return np.clip(x_K, *ends.T)

    found = least_squares(
        lambda x_K: residuals(inside(x_K)),
        start,
        jac=(lambda x_K: jacobian(inside(x_K))) if jacobian else "2-point",
        bounds=bounds.T,
        x_scale=x_scale,
    )
    return inside(found.x)
