"""The published membership law and its validation, to stand beside fitted ones.

Morris et al. 2025, arXiv 2505.24832, section 5. As printed, F1 = (1 + 1.34 sigma(-0.034 (C / |D| -
33.14))) / 2, the law rises with |D| and tends to 1.006. The same constants with |D| / P in place of
C / |D|, and slope and shift exchanged, give the printed targets; so do constants of ours for
C / |D| at 3.64 bits per parameter.
"""

from dataclasses import dataclass

import numpy as np

from rote.analysis.fits.membership_law import LawReading, MembershipCurve

BITS_PER_PARAMETER = 3.64  # behind the capacities of the second reading

PUBLISHED_CURVES = (
    MembershipCurve(
        reading=LawReading.SAMPLES_PER_PARAMETER, height=1.34, slope=-33.14, offset=33.14 * 0.034
    ),
    MembershipCurve(
        reading=LawReading.CAPACITY_BITS_PER_SAMPLE, height=0.900, slope=0.0568, offset=-3.963
    ),
)


@dataclass(frozen=True, kw_only=True)
class Validation:
    """One printed row: a data set chosen so that the law says ``target_f1``, and what was seen."""

    parameters: int
    num_samples: int
    target_f1: float
    observed_f1: float
    observed_error: float  # as printed, +-


VALIDATIONS = tuple(
    Validation(
        parameters=parameters,
        num_samples=num_samples,
        target_f1=target,
        observed_f1=observed,
        observed_error=error,
    )
    for parameters, num_samples, target, observed, error in (
        (1_556_075_200, 170_654_583, 0.55, 0.5461, 0.013),
        (1_556_075_200, 76_795_021, 0.75, 0.7108, 0.004),
        (1_556_075_200, 18_851_574, 0.95, 0.9585, 0.008),
        (123_702_528, 13_566_442, 0.55, 0.5344, 0.011),
        (123_702_528, 6_104_935, 0.75, 0.6569, 0.006),
        (123_702_528, 1_498_634, 0.95, 0.9798, 0.003),
    )
)


def validation_error(curve: MembershipCurve) -> float:
    """Root mean square of observed less predicted F1 over the printed rows.

    The law's constants come from other, smaller models: all rows are degrees of freedom.
    """
    misses = [each.observed_f1 - predicted for each, predicted in beside_observed(curve)]
    return float(np.sqrt(np.mean(np.square(misses))))


def published_size(reading: LawReading, parameters: int) -> float:
    """What `MembershipCurve.predict` takes as the size of a model of so many parameters."""
    if reading is LawReading.SAMPLES_PER_PARAMETER:
        return float(parameters)
    return BITS_PER_PARAMETER * parameters


def beside_observed(curve: MembershipCurve) -> list[tuple[Validation, float]]:
    """Each published observation with what a curve, published or fitted, predicts there."""
    return [
        (
            each,
            float(curve.predict(each.num_samples, published_size(curve.reading, each.parameters))),
        )
        for each in VALIDATIONS
    ]
