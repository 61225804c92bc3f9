"""A power law of one quantity, with an irreducible term where the runs show one.

The published laws have none: over their ranges loss was far above the entropy of text. Where it is
not, a pure power law bends, and its extrapolation falls below what can be reached. The term is
taken up when least squares with it is better than chance allows at 1 % (F test of one constant):
rarely without reason, and never from an exact power law.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import f as f_distribution

from rote.analysis.laws.family import EXPONENT, Family, best_of, describe
from rote.analysis.laws.law import Curve, Effort, Fitted, Floats, Measured
from rote.analysis.laws.needs import require

CHANCE = 0.01
NO_NOISE = 1e-8  # relative residual below which a power law is exact, and nothing is left to test
SHARES = (0.2, 0.5, 0.8, 0.95)  # of the lowest loss: where the search for the term starts


def fit_power(
    measured: Measured,
    effort: Effort,
    *,
    law: str,
    column: str,
    curve: Callable[..., Curve],
    scale: str,
    formula: str,
) -> Fitted:
    """L = (scale / x)^alpha, or E + it; raises ValueError below 3 runs and 2 different x."""
    loss = measured["loss_nats"]
    require(law, measured, num_constants=2, distinct={column: 2})
    told = column.replace("_", " ")
    meanings = {
        scale: f"{told} at which the power is 1 nat",
        "alpha": f"exponent of the {told}",
    }
    pure = Family(
        law=law,
        formula=formula,
        method="least squares on ln L",
        inputs=(column,),
        output="loss_nats",
        curve=curve,
        meanings=meanings,
        bounds={scale: (1e-100, 1e200), "alpha": EXPONENT},
    )
    best = best_of(pure, measured, _line(measured[column], loss)[None])
    if len(measured) < 5 or len(np.unique(measured[column])) < 4:
        return describe(pure, measured, best, effort)
    bent = Family(
        law=law,
        formula=formula.replace("= ", "= E + "),
        method=f"{pure.method}; E is taken up as its F test is below {CHANCE:g}",
        inputs=(column,),
        output="loss_nats",
        curve=curve,
        meanings={"E": "irreducible loss, nats per token", **meanings},
        bounds={"E": (1e-6 * loss.min(), loss.max()), **pure.bounds},
    )
    starts = [_bent_start(measured[column], loss, share) for share in SHARES]
    bent_best = best_of(bent, measured, np.array(starts))
    if _better(_squares(pure, measured, best), _squares(bent, measured, bent_best), len(loss)):
        return describe(bent, measured, bent_best, effort)
    return describe(pure, measured, best, effort)


def _line(x: Floats, loss: Floats) -> Floats:
    """(ln scale, ln alpha) of a straight line through the logarithms."""
    slope, offset = np.polyfit(np.log(x), np.log(loss), 1)
    alpha = max(-slope, 1e-2)  # a loss that rises is refused by the bound on alpha
    return np.array([offset / alpha, np.log(alpha)])


def _bent_start(x: Floats, loss: Floats, share: float) -> Floats:
    term = share * float(loss.min())
    return np.array([np.log(term), *_line(x, loss - term)])


def _squares(family: Family, measured: Measured, best: Floats) -> float:
    residuals = np.log(measured[family.output]) - family.problem(measured).log_output(best[None])[0]
    return float(residuals @ residuals)


def _better(without: float, with_term: float, num_points: int) -> bool:
    degrees = num_points - 3
    if without <= num_points * NO_NOISE**2:
        return False
    with np.errstate(divide="ignore"):
        ratio = np.divide(without - with_term, with_term / degrees)
    return bool(f_distribution.sf(ratio, 1, degrees) < CHANCE)
