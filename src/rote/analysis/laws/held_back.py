"""Check a law on runs that are held back: those with the largest value of an input.

The law is fitted to all other runs. A prediction interval joins two uncertainties: each draw is a
curve of the bootstrap plus a residual of the runs that were fitted.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binom

from rote.analysis.estimate import LEVEL, band_of
from rote.analysis.estimators import rate
from rote.analysis.laws.law import FitEffort, FittedLaw, Floats, LawData

NEARLY = 1.01  # values within 1 % of the largest count as the largest
NUM_RESAMPLES = 200
SURE = 0.01  # chance of so few points inside, below which the law is said not to hold


@dataclass(frozen=True, kw_only=True)
class Check:
    """The outcome in a sentence; ``warning`` is empty unless the prediction failed."""

    sentence: str
    warning: str = ""


def check_of_largest(
    refit: Callable[[LawData, FitEffort], FittedLaw],
    measured: LawData,
    effort: FitEffort,
    name: str,
) -> Check:
    """Hold back the runs with the largest values of an input, refit, and predict them.

    The warning comes if so few points lie inside 95 % intervals by chance in less than 1 % of
    cases. Points are counted as independent.
    """
    is_held_back = measured[name] >= measured[name].max() / NEARLY
    held, others = measured.rows(is_held_back), measured.rows(~is_held_back)
    what = f"{len(held)} points with the largest {name.replace('_', ' ')}, {held[name].max():.4g}"
    try:
        fitted = refit(others, replace(effort, num_resamples=NUM_RESAMPLES, profiles=False))
    except ValueError as error:
        return Check(sentence=f"{what}, cannot be predicted from the others: {error}")
    low, high = prediction_interval(fitted, others, held, seed=effort.seed)
    observed = held[fitted.output]
    inside = rate(int(((low <= observed) & (observed <= high)).sum()), len(held))
    off = np.log(observed) - np.log(fitted.predict(*(held[each] for each in fitted.inputs)))
    sentence = (
        f"{what}, predicted from the others: {inside.successes} of {inside.trials} lie inside the "
        f"95 % prediction intervals ({inside.span('{:.0%}')}); residuals {np.mean(off):+.1%} on "
        f"average, of the logarithm"
    )
    is_broken = binom.cdf(inside.successes, inside.trials, LEVEL) < SURE
    broken = f"the law does not hold for {what}: {inside.successes} of {inside.trials} lie inside"
    return Check(sentence=sentence, warning=f"{broken} their intervals" if is_broken else "")


def prediction_interval(
    fitted: FittedLaw, measured: LawData, points: LawData, *, seed: int
) -> tuple[Floats, Floats]:
    """Return the 95 % interval of a single output at each point, low and high.

    ``measured`` are the runs of the fit; their residuals are scaled to the noise, since a fit
    makes them smaller.
    """
    inputs, there = ([runs[name] for name in fitted.inputs] for runs in (measured, points))
    residuals = np.log(measured[fitted.output]) - np.log(fitted.predict(*inputs))
    spare = len(measured) - fitted.goodness.num_constants
    scale = np.sqrt(len(measured) / spare)
    random = np.random.default_rng(seed)
    draws = [
        np.log(curve.predict(*there)) + scale * random.choice(residuals, len(points))
        for curve in fitted.resampled
    ]
    low, high = band_of(draws)
    return np.exp(low), np.exp(high)
