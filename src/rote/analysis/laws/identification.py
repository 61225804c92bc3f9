"""Warnings about constants that the runs do not tell, or do not tell apart."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from rote.analysis.fits.uncertainty import Spread
from rote.analysis.laws.law import Floats

GREATEST_CONDITION = 1e6  # of the normal matrix at unit diagonal
GREATEST_CORRELATION = 0.99
GREATEST_ERROR = 0.5  # of a constant, relative


def identification(
    names: Sequence[str], best_K: Floats, bounds_K2: Floats, about: Spread
) -> tuple[str, ...]:
    """Sentences; none where all is told."""
    return (
        *_each(names, best_K, bounds_K2, about.errors_K),
        *_together(names, about),
        *_degenerate(about),
    )


def _each(names: Sequence[str], best: Floats, bounds: Floats, errors: Floats) -> Iterator[str]:
    for name, value, (low, high), error in zip(names, best, bounds, errors, strict=True):
        if value <= low:
            yield f"{name} fell to the least value tried, {np.exp(low):.3g}: no run shows it"
        elif value >= high:
            yield f"{name} rose to the greatest value tried, {np.exp(high):.3g}"
        elif np.isnan(error):
            yield f"{name} is free: no run depends on it"
        elif error > GREATEST_ERROR:
            yield f"{name} is weakly told: its standard error is {100 * error:.0f} % of it"


def _together(names: Sequence[str], about: Spread) -> Iterator[str]:
    correlation = np.nan_to_num(about.correlation_KK)
    for i, j in combinations(range(len(names)), 2):
        if abs(correlation[i, j]) > GREATEST_CORRELATION:
            yield (
                f"{names[i]} and {names[j]} move together (correlation {correlation[i, j]:.4f}): "
                "the curve tells them only as a pair"
            )


def _degenerate(about: Spread) -> Iterator[str]:
    if about.condition > GREATEST_CONDITION:
        yield (
            f"the normal matrix has condition {about.condition:.1g} at unit diagonal: "
            "some combination of constants is free"
        )
