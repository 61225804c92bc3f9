"""The membership law of these runs in both readings, and what it says of the published models."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rote.analysis.fits.membership_law import (
    Curve,
    MembershipLaw,
    NoMembershipLaw,
    Reading,
    fit_membership_law,
)
from rote.analysis.published_membership import (
    PUBLISHED_CURVES,
    Validation,
    beside_observed,
    published_size,
)

Floats = NDArray[np.float64]

NEAR_HALF = 0.01  # what the limit may be above one half, by how the second reading is bounded
ENDLESS = 1e18  # samples, from one on, over which a law is looked at
MIDDLE = 0.75  # an F1 halfway down


@dataclass(frozen=True, kw_only=True)
class Check:
    """Numerical, over 1 to `ENDLESS` samples."""

    limit: float  # what the formula tends to
    at_endless: float
    never_rises: bool

    @property
    def holds(self) -> bool:
        """F1 falls to one half, within `NEAR_HALF`, and never rises on its way."""
        near = abs(self.limit - 0.5) <= NEAR_HALF + 1e-9
        return near and self.never_rises and abs(self.at_endless - self.limit) < 1e-6


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """At a published model and data set."""

    observed: Validation
    published_f1: float
    fitted_f1: float | None
    interval: tuple[float, float] | None
    is_beyond: bool  # its ratio lies outside those of the runs


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """One reading: its points, its law or why there is none."""

    reading: Reading
    runs: pl.DataFrame  # with columns f1, ratio, size
    law: MembershipLaw | NoMembershipLaw
    published: Curve
    check: Check | None
    forecasts: tuple[Forecast, ...]

    @property
    def ratios(self) -> tuple[float, float]:
        """The least and the greatest x among the runs."""
        ratios = self.runs["ratio"].to_numpy()
        return float(ratios.min()), float(ratios.max())


def fit_laws(runs: pl.DataFrame) -> tuple[Fitted, ...]:
    """Both readings, of runs with an F1 and a counted training set; nothing where none has."""
    known = runs.filter(pl.col("f1").is_not_null(), pl.col("cost.train_sequences").is_not_null())
    if known.is_empty():
        return ()
    return tuple(_fit(known, curve) for curve in PUBLISHED_CURVES)


def crossing(curve: Curve) -> float | None:
    """x at which F1 is `MIDDLE`; None where the curve never is as high."""
    share = (2 * MIDDLE - 1) / curve.height if curve.height > 0 else 1.0
    if share >= 1:
        return None
    ratio = (float(np.log(share / (1 - share))) - curve.offset) / curve.slope
    return ratio if ratio > 0 else None


def _fit(known: pl.DataFrame, published: Curve) -> Fitted:
    reading = published.reading
    by_parameters = reading is Reading.SAMPLES_PER_PARAMETER
    size = pl.col("parameters" if by_parameters else "capacity_bits").cast(pl.Float64)
    runs = known.with_columns(size=size)
    samples = runs["cost.train_sequences"].to_numpy()
    sizes, f1 = runs["size"].to_numpy(), runs["f1"].to_numpy()
    runs = runs.with_columns(ratio=pl.Series(reading.ratio(samples, sizes)))
    law = fit_membership_law(reading, samples, sizes, f1)
    median = float(np.median(sizes))
    return Fitted(
        reading=reading,
        runs=runs,
        law=law,
        published=published,
        check=check(law.curve, median) if isinstance(law, MembershipLaw) else None,
        forecasts=_forecasts(law, published, runs["ratio"].to_numpy()),
    )


def check(curve: Curve, size: float) -> Check:
    """For a model of this size."""
    f1 = curve.predict(np.geomspace(1, ENDLESS, 4001), size)
    return Check(
        limit=curve.limit,
        at_endless=float(f1[-1]),
        never_rises=bool((np.diff(f1) <= 1e-12).all()),
    )


def _forecasts(
    law: MembershipLaw | NoMembershipLaw, published: Curve, ratios: Floats
) -> tuple[Forecast, ...]:
    found = []
    for observed, published_f1 in beside_observed(published):
        size = published_size(published.reading, observed.parameters)
        ratio = float(published.reading.ratio(observed.num_samples, size))
        fitted, interval = None, None
        if isinstance(law, MembershipLaw):
            fitted = float(law.predict(observed.num_samples, size))
            low, high = law.interval(observed.num_samples, size)
            interval = (float(low), float(high))
        forecast = Forecast(
            observed=observed,
            published_f1=published_f1,
            fitted_f1=fitted,
            interval=interval,
            is_beyond=not ratios.min() <= ratio <= ratios.max(),
        )
        found.append(forecast)
    return tuple(found)
