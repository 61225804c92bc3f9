"""Variable projection: linear constants follow from the exponents by nonnegative least squares.

Golub and Pereyra 1973. A sum of power laws is linear in its factors; with every exponent on a grid
the factors cost a small solve each, and few starts are left for a search over all constants.
Shapes: M runs, J linear constants, R starts, K constants.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Floats = NDArray[np.float64]
Row = Callable[[Floats, float, float], Floats]


def factors(design_MJ: Floats, observed_M: Floats) -> tuple[Floats, float]:
    """Nonnegative factors [J] of least relative residual over M runs, and its sum of squares."""
    design = design_MJ / observed_M[:, None]
    scale = np.linalg.norm(design, axis=0)
    scale[scale == 0] = 1.0  # a steep power of a large number is nothing, and so is its factor
    together = np.column_stack([design / scale, np.ones(len(design))])
    triangle = np.asarray(np.linalg.qr(together, mode="r"))
    found, distance = nnls(triangle[:, :-1], triangle[:, -1])
    return found / scale, float(distance**2)


def grid_starts(
    grid: Floats,
    linear: Callable[[float, float], tuple[Floats, Floats, float]],
    row: Row,
    *,
    num_starts: int,
) -> Floats:
    """[R, K]: where to start, from every pair of exponents on the grid, best first.

    ``linear`` gives design, output and what multiplies its relative residuals for two exponents;
    ``row`` the log constants of factors and exponents.
    """
    pairs, solved, squares = list(product(grid.tolist(), grid.tolist())), [], []
    for pair in pairs:
        design, output, scale = linear(*pair)
        found, sum_of_squares = factors(design, output)
        solved.append(found)
        squares.append(scale**2 * sum_of_squares)
    order = np.argsort(squares, kind="stable")[:num_starts].tolist()
    return np.array([row(solved[place], *pairs[place]) for place in order])
