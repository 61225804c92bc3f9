"""Fit the membership law to these runs in both readings, and put it into numbers and words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rote.analysis.estimate import Estimate, Interval
from rote.analysis.fits.membership_law import (
    LawReading,
    MembershipCurve,
    MembershipLaw,
    fit_membership_law,
)
from rote.analysis.fits.search import NoFit
from rote.analysis.published import PUBLISHED_CURVES, Validation, beside_observed, published_size

NEAR_HALF = 0.01  # largest limit above one half, by the bounds of the second reading
ENDLESS = 1e18  # samples: a law is computed from 1 to this
MIDDLE = 0.75  # an F1 halfway down
CHANCE_F1 = 0.5
CONSTANTS = ("height", "slope", "offset")
BOUND = " is at the bound of the fit"


@dataclass(frozen=True)
class Forecast:
    """A prediction for a published model and data set."""

    observed: Validation
    published_f1: float
    fitted_f1: Estimate | None
    is_beyond: bool  # its ratio lies outside those of the runs


@dataclass(frozen=True)
class FittedReading:
    """One reading: its points, and its law or why there is none."""

    reading: LawReading
    runs: pl.DataFrame  # with the columns ``size`` and ``ratio``
    law: MembershipLaw | NoFit
    published: MembershipCurve

    @property
    def name(self) -> str:
        """The name of x."""
        by_parameters = self.reading is LawReading.SAMPLES_PER_PARAMETER
        return "|D| / P" if by_parameters else "C / |D|"

    @property
    def ratios(self) -> Interval:
        """The least and the largest x among the runs."""
        ratios = self.runs["ratio"].to_numpy()
        return float(ratios.min()), float(ratios.max())

    @property
    def forecasts(self) -> list[Forecast]:
        """Predictions at the published models and data sets, in their order."""
        return [self._forecast(observed, f1) for observed, f1 in beside_observed(self.published)]

    def _forecast(self, observed: Validation, published_f1: float) -> Forecast:
        place = observed.num_samples, published_size(self.reading, observed.parameters)
        fitted = None
        if isinstance(self.law, MembershipLaw):
            low, high = map(float, self.law.interval(*place))
            value, number = float(self.law.predict(*place)), self.runs.height
            fitted = Estimate.of(value, (low, high), n=number, method="wild bootstrap over sizes")
        least, greatest = self.ratios
        is_beyond = not least <= float(self.reading.ratio(*place)) <= greatest
        return Forecast(observed, published_f1, fitted, is_beyond)


def fit_laws(runs: pl.DataFrame) -> tuple[FittedReading, ...]:
    """Fit both readings to runs with an F1 and a counted training set; empty without such runs."""
    known = runs.drop_nulls(["f1", "cost.train_sequences"])
    return () if known.is_empty() else tuple(_fit(known, curve) for curve in PUBLISHED_CURVES)


def crossing(curve: MembershipCurve) -> float | None:
    """Return the x at which F1 is `MIDDLE`; None if the curve never reaches it."""
    share = (2 * MIDDLE - 1) / curve.height if curve.height > 0 else 1.0
    if share >= 1:
        return None
    ratio = (float(np.log(share / (1 - share))) - curve.offset) / curve.slope
    return ratio if ratio > 0 else None


def _fit(known: pl.DataFrame, published: MembershipCurve) -> FittedReading:
    reading = published.reading
    by_parameters = reading is LawReading.SAMPLES_PER_PARAMETER
    sizes = known["parameters" if by_parameters else "capacity_bits"].to_numpy().astype(np.float64)
    samples = known["cost.train_sequences"].to_numpy()
    placed = known.with_columns(
        size=pl.Series(sizes), ratio=pl.Series(reading.ratio(samples, sizes))
    )
    found = fit_membership_law(reading, samples, sizes, known["f1"].to_numpy())
    return FittedReading(reading, placed, found, published)


def line(fitted: FittedReading) -> str:
    """State the law with its errors, its midpoint, and its limit."""
    law = fitted.law
    if isinstance(law, NoFit):
        return f"Membership law in {fitted.name}: none, {law.reason}"
    constants = ", ".join(f"{name} {constant(law, name)}" for name in CONSTANTS)
    theirs = ", ".join(f"{getattr(fitted.published, name):#.3g}" for name in CONSTANTS)
    bounds = "".join(f"; {each}{BOUND}" for each in law.at_bounds)
    return (
        f"Membership law in {fitted.name}: {constants} (published {theirs}){bounds}; "
        f"{short_line(fitted)}; F1 tends to {law.curve.limit:.3f}. F1 is at equal errors here; "
        "how the published threshold was chosen is not stated"
    )


def constant(law: MembershipLaw, name: str) -> str:
    """Format a constant with its error; an error as large as the value determines nothing."""
    value, error = getattr(law.curve, name), getattr(law, f"{name}_error")
    if error >= abs(value):
        return f"{value:#.3g} (not determined: error {error:.1g})"
    return f"{value:#.3g} \N{PLUS-MINUS SIGN} {error:.2g}"


def short_line(fitted: FittedReading) -> str:
    """State where F1 is `MIDDLE`, fitted and published; or why there is no law."""
    if isinstance(fitted.law, NoFit):
        return f"no law in {fitted.name}: {fitted.law.reason}"
    here, there = crossing(fitted.law.curve), crossing(fitted.published)
    least, greatest = fitted.ratios
    where = "nowhere" if here is None else f"at {fitted.name} = {here:#.3g}"
    if here is not None and not least <= here <= greatest:
        where += ", beyond these runs,"
    published = "nowhere" if there is None else f"{there:#.3g}"
    return f"F1 is {MIDDLE} {where} (published {published})"


def title(laws: Sequence[FittedReading]) -> str:
    """State the fall of mean F1 between the least and the most data per parameter."""
    runs, ratios = laws[0].runs, laws[0].ratios
    (first, first_low), (last, last_low) = (
        runs.filter(ratio=ratio).select(pl.col("f1", "f1_low").mean()).row(0) for ratio in ratios
    )
    least, greatest = (f"{ratio:.2g} samples a parameter" for ratio in ratios)
    if max(first_low, last_low) <= CHANCE_F1:
        return (
            f"F1 of the loss attack cannot be distinguished from a guess: {first:.2f} at {least}, "
            f"{last:.2f} at {greatest}"
        )
    if ratios[0] == ratios[1]:
        return f"F1 of the loss attack is {first:.2f} at {least}"
    if f"{first:.2f}" == f"{last:.2f}":
        return f"F1 of the loss attack is {first:.2f} at {least} and at {greatest}"
    moved = "falls" if last < first else "rises"
    return f"F1 of the loss attack {moved} from {first:.2f} at {least} to {last:.2f} at {greatest}"


def check_line(fitted: FittedReading) -> str:
    """State how the law of a model of the median size behaves numerically as the data grow.

    F1 must fall to one half, within `NEAR_HALF`, and never rise on the way.
    """
    assert isinstance(fitted.law, MembershipLaw)
    curve, size = fitted.law.curve, float(np.median(fitted.runs["size"]))
    f1 = curve.predict(np.geomspace(1, ENDLESS, 4001), size)
    never_rises = bool((np.diff(f1) <= 1e-12).all())
    is_near = abs(curve.limit - 0.5) <= NEAR_HALF + 1e-9 and abs(f1[-1] - curve.limit) < 1e-6
    way = "never rises" if never_rises else "rises"
    verdict = "as it must" if is_near and never_rises else "this is no membership law"
    return (
        f"In {fitted.name}: as |D| grows F1 tends to {curve.limit:.4f} (at 1e18 samples it is "
        f"{f1[-1]:.4f}) and {way} on the way: {verdict}."
    )


def beyond_line(fitted: FittedReading) -> str:
    """State whether the published points lie among the runs."""
    forecasts, sizes = fitted.forecasts, fitted.runs["parameters"].to_list()
    small, large = min(sizes), max(sizes)
    beyond = sum(each.is_beyond for each in forecasts)
    larger = sum(not small <= each.observed.parameters <= large for each in forecasts)
    least, greatest = (f"{x:.3g}" if x < 1000 else f"{x:,.0f}" for x in fitted.ratios)
    return (
        f"The runs have {fitted.name} from {least} to {greatest} and {small:,} to {large:,} "
        f"parameters. Of the {len(forecasts)} published points {beyond} lie beyond their ratios "
        f"and {larger} beyond their sizes: there the law is extrapolated."
    )


def doubts(fitted: FittedReading) -> list[str]:
    """List constants at their bounds, and how far sizes differ."""
    law, name = fitted.law, fitted.name
    assert isinstance(law, MembershipLaw)
    lines = [f"In {name}: {each}{BOUND}, and the errors say little." for each in law.at_bounds]
    if law.num_sizes == 1:
        lines.append(f"In {name}: runs of one size; that others follow this law is not shown.")
    elif law.between_sizes is not None:
        lines.append(
            f"In {name}: sizes differ by {law.between_sizes:.3f} in F1 (standard deviation) beyond "
            f"the noise of runs; band and errors take the {law.num_sizes} sizes for a sample."
        )
    return lines
