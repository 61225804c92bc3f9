"""Variable projection: linear constants follow from the exponents by nonnegative least squares.

Golub and Pereyra 1973. A sum of power laws is linear in its factors; with every exponent on a grid
the factors cost a small solve each, and few starts are left for a search over all constants.
Shapes: G points of the grid, M runs, J linear constants.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Floats = NDArray[np.float64]


def factors(design_MJ: Floats, observed_M: Floats) -> tuple[Floats, float]:
    """Of least relative residual, and the sum of its squares."""
    design = design_MJ / observed_M[:, None]
    scale = np.linalg.norm(design, axis=0)
    triangle = np.linalg.qr(np.column_stack([design / scale, np.ones(len(design))]), mode="r")
    found, distance = nnls(triangle[:, :-1], triangle[:, -1])
    return found / scale, float(distance**2)


def best_factors(
    designs: Iterable[Floats], observed: Iterable[Floats], *, num_best: int
) -> list[tuple[int, Floats]]:
    """Places in the grid, best first, with their factors."""
    solved = [factors(*pair) for pair in zip(designs, observed, strict=True)]
    order = np.argsort([squares for _, squares in solved], kind="stable")[:num_best]
    return [(int(place), solved[place][0]) for place in order]
