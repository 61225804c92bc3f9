"""Fit laws to the runs of a sweep, and take published laws where the runs do not suffice.

A plan without runs uses only published laws, in published units.
"""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from rote.analysis.estimate import Interval, student
from rote.analysis.fits.leak_curve import GREATEST_STEEPNESS, fit_leak_curve
from rote.analysis.laws import kinds
from rote.analysis.laws.diagnostics import GREATEST_ERROR
from rote.analysis.laws.law import FitEffort, FittedLaw, RunCount
from rote.analysis.laws.repetition import MUENNIGHOFF, REPETITION
from rote.analysis.published import PUBLISHED as CAPACITY
from rote.analysis.published import (
    PUBLISHED_CURVES,
    VALIDATIONS,
    CapacityScale,
    capacity_scale,
    validation_error,
)
from rote.analysis.quantities.exposure import CHANCE_BITS
from rote.analysis.quantities.scaling import measured
from rote.planner.law_estimates import (
    LawEstimate,
    LawEstimates,
    RepetitionLaw,
    SuffixLaw,
    ValidationErrors,
)

WINDOW_TOKENS = 64  # window of the published membership law (Morris et al. 2025)
# Hoffmann et al. 2022, section 3: 70M to over 16B parameters on 5B to 500B tokens.
LOSS_RANGES = {"parameters": (7e7, 1.6e10), "tokens": (5e9, 5e11)}
# The six printed rows of Morris et al. 2025 that tested the law.
MEMBERSHIP_RANGES = {"windows_per_parameter": (0.012, 0.11)}


def published_estimates() -> LawEstimates:
    """Return the loss of large models on web text; membership and capacity of models up to 1.5B."""
    return LawEstimates(
        count=RunCount.TOTAL,
        window_tokens=WINDOW_TOKENS,
        loss=published_estimate("loss", "parametric", LOSS_RANGES),
        repeats=published_repeats(),
        membership=published_membership(),
        exposure=None,
        extraction=None,
        capacity=CAPACITY,
    )


def published_repeats(*warnings: str) -> RepetitionLaw:
    """Return only the worth of tokens: R_N belongs to its own A and B, which are not used here."""
    (source,) = REPETITION.published
    return RepetitionLaw(
        R_D=MUENNIGHOFF.R_D, R_N=None, source=f"published: {source}", law=None, warnings=warnings
    )


def published_membership(*warnings: str) -> LawEstimate:
    """Return the published law; its interval is Student's t times the RMS of its test errors."""
    estimate = published_estimate("membership", "membership", MEMBERSHIP_RANGES)
    error, number = validation_error(PUBLISHED_CURVES[0]), len(VALIDATIONS)
    validation_errors = ValidationErrors(
        reach=student(number) * error,
        floor=0.5,
        ceiling=1.0,
        source=f"95 %, from {number} models that tried the law (root mean square of errors "
        f"{error:.3f}, largest where it says 0.75)",
    )
    return replace(estimate, validation_errors=validation_errors, warnings=warnings)


def published_estimate(name: str, law: str, ranges: Mapping[str, Interval]) -> LawEstimate:
    """Return the newest of a law's published fits, with all fits as rivals."""
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


EFFORT = FitEffort(num_resamples=200, profiles=False)  # predictions need only resamples


def fitted_estimates(
    name: str, runs: pl.DataFrame, count: RunCount, alphas: Mapping[str, CapacityScale]
) -> LawEstimates:
    """Fit all laws to ``runs``, as `rote.analysis.quantities.scaling.scaling_runs` returns them.

    Raises ValueError if the loss law cannot be fitted, or if runs have several window lengths or
    several precisions.
    """
    loss = _estimate("loss", _fitted("parametric", runs, count), name)
    suffix, why_no_suffix = _suffix(name, runs, count)
    capacity = capacity_scale(alphas, str(_only(runs, "precision.name")))
    return LawEstimates(
        count=count,
        window_tokens=int(_only(runs, "task.length")),
        loss=loss,
        repeats=_repeats(name, runs, count),
        membership=_membership(name, runs, count),
        exposure=_leak(name, runs, "exposure_bits", chance=CHANCE_BITS, most=_most_bits(runs)),
        extraction=_leak(name, runs, "windows_excess", chance=0.0, most=1.0),
        capacity=capacity,
        suffix=suffix,
        why_no_suffix=why_no_suffix,
    )


def _fitted(law: str, runs: pl.DataFrame, count: RunCount) -> FittedLaw:
    found = kinds.law(law)
    return found.fit(measured(runs, found, count), EFFORT)


def _estimate(name: str, fitted: FittedLaw, sweep: str) -> LawEstimate:
    return LawEstimate(
        name=name,
        inputs=fitted.inputs,
        curve=fitted.curve,
        rivals=fitted.resampled,
        is_resampled=True,
        source=f"fitted to {fitted.goodness.num_points} runs of {sweep}",
        ranges=fitted.ranges,
        warnings=fitted.warnings,
    )


def _repeats(name: str, runs: pl.DataFrame, count: RunCount) -> RepetitionLaw:
    """Fit the law if these runs identify R_D; else take the published one, with the reason."""
    try:
        fitted = _fitted("repetition", runs, count)
    except ValueError as error:
        return published_repeats(f"not fitted to {name}: {error}")
    found = {constant.name: constant for constant in fitted.constants}
    spread = found["R_D"].standard_error
    if spread is None or spread > GREATEST_ERROR * found["R_D"].value:
        return published_repeats(f"not fitted to {name}: its runs hardly determine R_D")
    law = _estimate("repetition", fitted, name)
    return RepetitionLaw(
        R_D=found["R_D"].value,
        R_N=found["R_N"].value,
        source=law.source,
        law=law,
        warnings=law.warnings,
    )


def _membership(name: str, runs: pl.DataFrame, count: RunCount) -> LawEstimate:
    """Fit the membership law to these runs; else take the published one, with the reason."""
    try:
        estimate = _estimate("membership", _fitted("membership", runs, count), name)
    except ValueError as error:
        return published_membership(f"not fitted to {name}: {error}")
    return replace(estimate, ranges=_ratios(runs, "f1"))


def _suffix(name: str, runs: pl.DataFrame, count: RunCount) -> tuple[SuffixLaw | None, str]:
    """Fit the law of p_z to these runs; without it, return the reason."""
    try:
        fitted = _fitted("extraction", runs, count)
        suffix_tokens = float(_only(runs, "suffix_tokens"))
    except ValueError as error:
        return None, f"not fitted to {name}: {error}"
    estimate = _estimate("p_z", fitted, name)
    source = f"fitted to {fitted.goodness.num_points} points of {name}"
    return SuffixLaw(estimate=replace(estimate, source=source), suffix_tokens=suffix_tokens), ""


def _leak(
    name: str, runs: pl.DataFrame, column: str, *, chance: float, most: float | None
) -> LawEstimate | None:
    """Fit a leak curve; None if no run measured it, or if all runs leak alike."""
    if column not in runs.columns or most is None:
        return None
    known = runs.drop_nulls([column])
    columns = (known[each].to_numpy() for each in ("samples", "parameters", column))
    try:
        fitted = fit_leak_curve(*columns, chance=chance, most=most)
    except ValueError:
        return None
    bound = f"steepness is at its bound of {GREATEST_STEEPNESS:g}: the fall may be steeper"
    return LawEstimate(
        name="exposure" if column == "exposure_bits" else "extraction",
        inputs=("parameters", "samples"),
        curve=fitted.curve,
        rivals=fitted.resampled,
        is_resampled=True,
        source=f"fitted to {known.height} runs of {name}",
        ranges=_ratios(runs, column),
        warnings=(bound,) if fitted.steepness_at_bound else (),
    )


def _ratios(runs: pl.DataFrame, column: str) -> dict[str, Interval]:
    known = runs.drop_nulls([column])
    ratio = (known["samples"] / known["parameters"]).to_numpy()
    return {"windows_per_parameter": (float(ratio.min()), float(ratio.max()))}


def _most_bits(runs: pl.DataFrame) -> float | None:
    """Return the least of the runs' largest measurable exposures; None if none was measured."""
    if "exposure_most_bits" not in runs.columns or not runs["exposure_most_bits"].count():
        return None
    return float(runs["exposure_most_bits"].drop_nulls().to_numpy().min())


def _only(runs: pl.DataFrame, column: str) -> str | float:
    """Return the one value of a column; raises ValueError if runs differ, as a plan has one."""
    values = runs[column].drop_nulls().unique().to_list()
    if len(values) != 1:
        raise ValueError(f"a plan needs runs of one {column}, these have {sorted(values)}")
    found: str | float = values[0]
    return found
