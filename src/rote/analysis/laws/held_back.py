"""Check a law on runs that are held back: those with the largest value of an input.

The law is fitted to all other runs. A prediction interval joins two uncertainties: each draw is a
curve of the bootstrap plus residuals of the runs that were fitted. Points of one draw share its
curve, so the number of points inside the intervals is compared with that of the draws themselves.
Shapes: B draws, M points that are held back.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rote.analysis.estimate import band_of
from rote.analysis.estimators import rate
from rote.analysis.laws.law import TOO_FEW, FitEffort, FittedLaw, Floats, LawData

NEARLY = 1.01  # values within 1 % of the largest count as the largest
NUM_RESAMPLES = 200
SURE = 0.01  # share of draws with so few points inside, below which the law is said not to hold


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
    """Hold back the runs with the largest values of an input, refit, and predict them."""
    is_held_back = measured[name] >= measured[name].max() / NEARLY
    held, others = measured.rows(is_held_back), measured.rows(~is_held_back)
    what = f"{len(held)} points with the largest {name}, {held[name].max():.4g}"
    try:
        fitted = refit(others, replace(effort, num_resamples=NUM_RESAMPLES, profiles=False))
    except ValueError as error:
        return Check(sentence=f"{what}, cannot be predicted from the others: {error}")
    if not fitted.resampled:
        return Check(sentence=f"{what}, cannot be predicted from the others: {TOO_FEW}")
    observed_M = np.log(held[fitted.output])
    draws_BM = _draws(fitted, others, held, seed=effort.seed)
    low_M, high_M = band_of(draws_BM)
    inside_B = ((low_M <= draws_BM) & (draws_BM <= high_M)).sum(axis=1)
    inside = rate(int(((low_M <= observed_M) & (observed_M <= high_M)).sum()), len(held))
    off_M = observed_M - np.log(fitted.predict(*(held[each] for each in fitted.inputs)))
    return Check(
        sentence=(
            f"{what}, predicted from the others: {inside.successes} of {inside.trials} lie inside "
            f"the 95 % prediction intervals ({inside.span('{:.0%}')}); residuals of the logarithm "
            f"{off_M.mean():+.1%} on average"
        ),
        warning=f"the law does not hold for the {what}: {inside.successes} lie inside the 95 % "
        "prediction intervals of a fit to the others"
        if (inside_B <= inside.successes).mean() < SURE
        else "",
    )


def _draws(fitted: FittedLaw, measured: LawData, points: LawData, *, seed: int) -> Floats:
    """Return draws of ln(output) at the points, [B, M].

    ``measured`` are the runs of the fit; their residuals are scaled to the noise, since a fit makes
    them smaller.
    """
    inputs, there = ([runs[name] for name in fitted.inputs] for runs in (measured, points))
    residuals = np.log(measured[fitted.output]) - np.log(fitted.predict(*inputs))
    scale = np.sqrt(len(measured) / (len(measured) - fitted.goodness.num_constants))
    curves_BM = np.log([curve.predict(*there) for curve in fitted.resampled])
    random = np.random.default_rng(seed)
    return np.asarray(curves_BM + scale * random.choice(residuals, curves_BM.shape))
