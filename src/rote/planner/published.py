"""What is known without a run of one's own: published laws, in published units."""

from collections.abc import Mapping
from dataclasses import replace

from scipy.stats import t as student_t

from rote.analysis.alphas import PUBLISHED as CAPACITY
from rote.analysis.fits.level import ENDS
from rote.analysis.laws import kinds
from rote.analysis.laws.law import RunCount
from rote.analysis.laws.repetition import MUENNIGHOFF, REPETITION
from rote.analysis.published_membership import PUBLISHED_CURVES, VALIDATIONS, validation_error
from rote.planner.law_estimates import (
    CapacityEstimate,
    Interval,
    LawEstimate,
    LawEstimates,
    RepetitionLaw,
    ValidationErrors,
)

WINDOW_TOKENS = 64  # of the published membership law (Morris et al. 2025)
# Hoffmann et al. 2022, section 3: 70M to over 16B parameters on 5B to 500B tokens.
LOSS_RANGES = {"parameters": (7e7, 1.6e10), "tokens": (5e9, 5e11)}
# The six printed rows of Morris et al. 2025 that tried the law.
MEMBERSHIP_RANGES = {"windows_per_parameter": (0.012, 0.11)}


def published_estimates() -> LawEstimates:
    """The loss of large models on web text; membership and capacity of models up to 1.5B."""
    return LawEstimates(
        count=RunCount.TOTAL,
        window_tokens=WINDOW_TOKENS,
        loss=published_estimate("loss", "parametric", LOSS_RANGES),
        repeats=published_repeats(),
        membership=published_membership(),
        exposure=None,
        extraction=None,
        capacity=CapacityEstimate(
            bits_per_parameter=CAPACITY.bits_per_parameter, source=CAPACITY.source
        ),
    )


def published_repeats(*warnings: str) -> RepetitionLaw:
    """The worth of tokens alone: R_N belongs to its own A and B, which are not those in use."""
    (source,) = REPETITION.published
    return RepetitionLaw(
        R_D=MUENNIGHOFF.R_D, R_N=None, source=f"published: {source}", law=None, warnings=warnings
    )


def published_membership(*warnings: str) -> LawEstimate:
    """Its interval is Student's t times the root mean square of its own validation errors."""
    estimate = published_estimate("membership", "membership", MEMBERSHIP_RANGES)
    error, number = validation_error(PUBLISHED_CURVES[0]), len(VALIDATIONS)
    validation_errors = ValidationErrors(
        reach=float(student_t.ppf(ENDS[1], number)) * error,
        floor=0.5,
        ceiling=1.0,
        source=f"95 %, from {number} models that tried the law (root mean square of errors "
        f"{error:.3f}, largest where it says 0.75)",
    )
    return replace(estimate, validation_errors=validation_errors, warnings=warnings)


def published_estimate(name: str, law: str, ranges: Mapping[str, Interval]) -> LawEstimate:
    """The newest of a law's published fits; the others are its rivals."""
    found = kinds.law(law)
    fits = found.published
    source = list(fits)[-1]
    return LawEstimate(
        name=name,
        inputs=found.inputs,
        curve=fits[source],
        rivals=tuple(fits.values()) if len(fits) > 1 else (),
        is_resampled=False,
        source=f"published: {source}",
        ranges=ranges,
    )
