"""Solve laws: the optimum of a budget, and the data for a loss or for a leakage ceiling.

Solutions are numerical, in logarithms, so that any law works; tests compare with closed forms.
"""

import math
from collections.abc import Callable

from scipy.optimize import brentq, minimize_scalar

from rote.analysis.derived import FLOPS_PER_PARAMETER_AND_TOKEN
from rote.planner.law_estimates import Surface

LEAST, MOST = math.log(1.0), math.log(1e18)  # range of parameters and tokens
TOLERANCE = 1e-10  # tolerance of a logarithm
ROUNDING = 1e-9  # margin on the side that keeps a ceiling


def optimal_parameters(surface: Surface, flops: float) -> float:
    """Return the size with the lowest loss for a budget of 6 N D FLOPs."""
    most = math.log(flops / FLOPS_PER_PARAMETER_AND_TOKEN)

    def loss(log_parameters: float) -> float:
        return surface(math.exp(log_parameters), math.exp(most - log_parameters))

    found = minimize_scalar(
        loss, bounds=(LEAST, most), method="bounded", options={"xatol": TOLERANCE}
    )
    return math.exp(found.x)


def cheapest_parameters(surface: Surface, loss_nats: float) -> float | None:
    """Return the size that reaches a loss with the fewest FLOPs; None if none reaches it."""
    if loss_nats <= surface(math.exp(MOST), math.exp(MOST)):
        return None

    def excess(log_flops: float) -> float:
        flops = math.exp(log_flops)
        parameters = optimal_parameters(surface, flops)
        tokens = flops / FLOPS_PER_PARAMETER_AND_TOKEN / parameters
        return surface(parameters, tokens) - loss_nats

    log_flops = _falling(excess, LEAST + 2, 2 * MOST)
    return None if log_flops is None else optimal_parameters(surface, math.exp(log_flops))


def least_data(surface: Surface, most: float, parameters: float) -> float | None:
    """Return the fewest tokens or |D| that bring loss or leakage down to ``most``; None if none."""
    log_data = _falling(lambda log: surface(parameters, math.exp(log)) - most, LEAST, MOST)
    return None if log_data is None else math.exp(log_data)


def largest_within(lacking: Callable[[float], float], least: float, most: float) -> float | None:
    """Return the largest size at which a rising ratio is at most 1; None if it never is."""
    if lacking(least) > 1:
        return None
    log_size = _falling(lambda log: 1 - lacking(math.exp(log)), math.log(least), math.log(most))
    return most if log_size is None else math.exp(log_size) * (1 - ROUNDING)


def _falling(excess: Callable[[float], float], low: float, high: float) -> float | None:
    """Return the first place at which a falling function is 0 or less."""
    if excess(low) <= 0:
        return low
    if excess(high) > 0:
        return None
    return float(brentq(excess, low, high, xtol=TOLERANCE))
