"""Variable projection: linear constants follow from the exponents by nonnegative least squares.

Golub and Pereyra 1973. A sum of power laws is linear in its factors; with every exponent on a grid
the factors cost a small solve each, and few starts are left for a search over all constants.
Shapes: G points of the grid, M runs, J linear constants.
"""

from collections.abc import Iterable
from itertools import repeat

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Floats = NDArray[np.float64]


def factors(design_MJ: Floats, observed_M: Floats) -> tuple[Floats, float]:
    """Nonnegative factors [J] of least relative residual over M runs, and its sum of squares."""
    design = design_MJ / observed_M[:, None]
    scale = np.linalg.norm(design, axis=0)
    scale[scale == 0] = 1.0  # a steep power of a large number is nothing, and so is its factor
    together = np.column_stack([design / scale, np.ones(len(design))])
    triangle = np.asarray(np.linalg.qr(together, mode="r"))
    found, distance = nnls(triangle[:, :-1], triangle[:, -1])
    return found / scale, float(distance**2)


def best_factors(
    designs: Iterable[Floats],
    observed: Iterable[Floats],
    *,
    num_best: int,
    scales: Iterable[float] = repeat(1.0),
) -> list[tuple[int, Floats]]:
    """Places in the grid, best first, with factors [J] each; ``scales`` multiply the residuals."""
    solved, squares = [], []
    for design, output, scale in zip(designs, observed, scales, strict=False):
        found, sum_of_squares = factors(design, output)
        solved.append(found)
        squares.append(scale**2 * sum_of_squares)
    order = np.argsort(squares, kind="stable")[:num_best].tolist()
    return [(place, solved[place]) for place in order]
