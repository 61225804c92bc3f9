"""The parametric loss by another way: least squares on relative residuals, factors projected out.

For any two exponents E, A and B follow by nonnegative least squares (Golub and Pereyra 1973); the
exponents alone are searched, from the best points of a grid. Beside `parametric` it tells whether
Huber's objective, or the search over five constants, decides a result.
"""

import numpy as np
from scipy.optimize import minimize

from rote.analysis.fits.projection import factors
from rote.analysis.fits.regression import Residual
from rote.analysis.laws.family import EXPONENT, Family, describe
from rote.analysis.laws.law import Chosen, Effort, Fitted, Floats, Law, Measured
from rote.analysis.laws.parametric import (
    FORMULA,
    INPUTS,
    PUBLISHED,
    checked,
    design,
    family_of,
    starts,
)

NUM_SEARCHES = 2  # of the grid's best points


def fit(measured: Measured, effort: Effort) -> Fitted:
    """Raises ValueError below 6 runs, 3 sizes and 3 numbers of tokens."""
    checked("variable_projection", measured)
    how = "least squares on relative residuals by variable projection"
    family = family_of("variable_projection", measured, method=how, residual=Residual.RELATIVE)
    return describe(family, measured, _search(family, measured), effort)


def _search(family: Family, measured: Measured) -> Floats:
    """Log constants [5]: simplex over the exponents, which needs no derivative of a projection."""
    loss = measured["loss_nats"]

    def squares(log_exponents: Floats) -> float:
        return factors(design(measured, *np.exp(log_exponents)), loss)[1]

    found = [
        minimize(
            squares,
            start,
            method="Nelder-Mead",
            bounds=[np.log(EXPONENT)] * 2,
            options={"xatol": 1e-8, "fatol": 1e-18, "maxfev": 1000},
        )
        for start in starts(measured)[:NUM_SEARCHES, 3:]
    ]
    exponents = np.exp(min(found, key=lambda each: each.fun).x)
    linear, _ = factors(design(measured, *exponents), loss)
    least = [family.bounds[name][0] for name in ("E", "A", "B")]
    return np.log([*np.maximum(linear, least), *exponents])


LAW = Law(
    runs=Chosen.FRESH,
    formula=FORMULA,
    source="Hoffmann et al. 2022, arXiv 2203.15556, section 3.3; Golub and Pereyra 1973",
    inputs=INPUTS,
    output="loss_nats",
    fit=fit,
    published=PUBLISHED,
)
