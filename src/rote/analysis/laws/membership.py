"""F1 of membership inference over samples and size: `rote.analysis.fits.membership_law` as a law.

In its reading that takes |D| / P, the only one that needs no capacity beside the runs.
"""

import numpy as np

from rote.analysis.fits.membership_law import (
    Curve,
    MembershipLaw,
    NoMembershipLaw,
    Reading,
    fit_membership_law,
)
from rote.analysis.laws.family import log_goodness, quantiles, ranges
from rote.analysis.laws.law import Constant, Effort, Fitted, Floats, Law, Measured
from rote.analysis.published_membership import PUBLISHED_CURVES

READING = Reading.SAMPLES_PER_PARAMETER
FORMULA = "F1 = (1 + height sigma(slope |D| / P + offset)) / 2, at most 1"
INPUTS = ("samples", "parameters")
LEAST_F1 = 0.01  # in ln F1: a threshold that accuses nobody would be infinitely far
MEANINGS = {
    "height": "of the fall, twice: 2 F1 - 1 for few samples where nothing cuts it off",
    "slope": "of the argument, per sample a parameter",
    "offset": "of the argument",
}


def fit(measured: Measured, effort: Effort) -> Fitted:
    """Raises ValueError where `fit_membership_law` finds none, with its reason."""
    samples, parameters, f1 = measured["samples"], measured["parameters"], measured["f1"]
    found = fit_membership_law(
        READING, samples, parameters, f1, num_resamples=effort.num_resamples, seed=effort.seed
    )
    if isinstance(found, NoMembershipLaw):
        raise ValueError(f"law membership: {found.reason}")
    residuals = np.array(found.residuals)
    apart = np.log(np.maximum(f1, LEAST_F1)) - np.log(found.predict(samples, parameters))
    return Fitted(
        law="membership",
        formula=FORMULA,
        method="least squares on F1",
        count=measured.count,
        inputs=INPUTS,
        output="f1",
        curve=found.curve,
        resampled=found.resampled,
        constants=_constants(found),
        derived=(),
        goodness=log_goodness(
            apart,
            np.log(np.maximum(f1, LEAST_F1)),
            num_constants=3,
            objective=float(residuals @ residuals) / 2,
        ),
        warnings=_warnings(found),
        ranges=ranges(measured, INPUTS),
    )


def _constants(found: MembershipLaw) -> tuple[Constant, ...]:
    errors = (found.height_error, found.slope_error, found.offset_error)
    return tuple(
        Constant(
            name=name,
            meaning=meaning,
            value=getattr(found.curve, name),
            standard_error=error,
            bootstrap_interval=quantiles(_resampled(found.resampled, name)),
        )
        for (name, meaning), error in zip(MEANINGS.items(), errors, strict=True)
    )


def _resampled(curves: tuple[Curve, ...], name: str) -> Floats:
    return np.array([getattr(each, name) for each in curves])


def _warnings(found: MembershipLaw) -> tuple[str, ...]:
    pairs = zip(MEANINGS, (found.height_error, found.slope_error), strict=False)
    return (
        *(f"{name} is at the bound of the fit: its errors say little" for name in found.at_bounds),
        *(
            f"{name} is weakly told: its standard error is {error:.2g}"
            for name, error in pairs
            if error > abs(getattr(found.curve, name)) / 2
        ),
        *_sizes(found),
    )


def _sizes(found: MembershipLaw) -> tuple[str, ...]:
    if found.num_sizes == 1:
        return ("runs of one size: that others follow this law is not shown",)
    if not found.between_sizes:
        return ()
    return (
        f"sizes differ by {found.between_sizes:.3f} in F1 (standard deviation) beyond the noise of "
        f"runs: intervals take the {found.num_sizes} sizes for a sample of all",
    )


LAW = Law(
    formula=FORMULA,
    source="Morris et al. 2025, arXiv 2505.24832, section 5, made consistent; how their F1 "
    "got its threshold is not stated",
    inputs=INPUTS,
    output="f1",
    fit=fit,
    published={"Morris et al. 2025, arXiv 2505.24832": PUBLISHED_CURVES[0]},
)
