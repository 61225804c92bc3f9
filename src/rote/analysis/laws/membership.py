"""Fit the F1 of membership inference over samples and size as a law.

`rote.analysis.fits.membership_law` does the fit, in its reading over |D| / P: the only one that
needs no capacity beside the runs.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rote.analysis.fits.membership_law import (
    LawReading,
    MembershipCurve,
    MembershipLaw,
    fit_membership_law,
)
from rote.analysis.fits.search import NoFit
from rote.analysis.laws.law import FitEffort, FittedLaw, Law, LawData
from rote.analysis.published import PUBLISHED_CURVES

LEAST_F1 = 0.01  # floor for ln F1: an F1 of zero would be infinitely far off


def _search(law: Law, measured: LawData, effort: FitEffort) -> FittedLaw:
    columns = (measured[name] for name in (*law.inputs, law.output))
    found = fit_membership_law(
        LawReading.SAMPLES_PER_PARAMETER,
        *columns,
        num_resamples=effort.num_resamples,
        seed=effort.seed,
    )
    if isinstance(found, NoFit):
        raise ValueError(f"law membership: {found.reason}")
    seen = {**measured.columns, "f1": np.maximum(measured["f1"], LEAST_F1)}
    return law.fitted(
        replace(measured, columns=seen),
        found.curve,
        found.resampled,
        (found.height_error, found.slope_error, found.offset_error),
        objective=float(np.square(found.residuals).sum()) / 2,
        warnings=tuple(_warnings(found)),
    )


def _warnings(found: MembershipLaw) -> Iterator[str]:
    for name in found.at_bounds:
        yield f"{name} is at the bound of the fit: its errors say little"
    for name, error in (("height", found.height_error), ("slope", found.slope_error)):
        if error > abs(getattr(found.curve, name)) / 2:
            yield f"{name} is weakly determined: its standard error is {error:.2g}"
    if found.num_sizes == 1:
        yield "runs of one size: that others follow this law is not shown"
    elif found.between_sizes:
        yield (
            f"sizes differ by {found.between_sizes:.3f} in F1 (standard deviation) beyond the "
            f"noise of runs: intervals take the {found.num_sizes} sizes for a sample of all"
        )


MEMBERSHIP = Law(
    name="membership",
    formula="F1 = (1 + height sigma(slope |D| / P + offset)) / 2, at most 1",
    source="Morris et al. 2025, arXiv 2505.24832, section 5, made consistent; how their F1 "
    "got its threshold is not stated",
    inputs=("samples", "parameters"),
    output="f1",
    method="least squares on F1",
    curve=MembershipCurve,
    search=_search,
    is_clustered=False,
    published={"Morris et al. 2025, arXiv 2505.24832": PUBLISHED_CURVES[0]},
)
