"""Fit the membership law: the F1 of an attack falls to one half as the data outgrow the model.

    F1(x) = (1 + height * sigma(slope * x + offset)) / 2, and never above 1

The published law is inconsistent as printed (`rote.analysis.published`). Two readings of it are
consistent, and both are fitted:

- SAMPLES_PER_PARAMETER: x = |D| / P, slope < 0.
- CAPACITY_BITS_PER_SAMPLE: x = C / |D|, slope > 0. Its limit for endless data is not one half by
  itself; height and offset are bounded so that it is at most 0.51.
"""

from dataclasses import dataclass
from enum import Enum
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from rote.analysis.estimate import band_of, plural
from rote.analysis.fits.random_effects import random_effects_mean
from rote.analysis.fits.search import NoFit, constant, least_squares_within
from rote.analysis.fits.uncertainty import (
    clusters_of_sizes,
    inverse_normal,
    left_out_residuals,
    sandwich,
    wild_noise,
)
from rote.core.arrays import Floats

FEWEST_RATIOS = 4  # distinct ratios: three unknowns and one to check the fit
LEAKS = 0.02  # excess of F1 over one half above which a run informs the curve
LEAST_NOISE = 1e-9  # noise of F1: an exact fit keeps an error above 0
STEEPEST = 1e6  # |slope| times the median ratio, or its inverse: a step, or a level
AT_BOUND = 1e-6  # below a bound: a value so close counts as at the bound
APART = "height, slope and offset cannot be separated: no runs on the way from high to low"
LEAST_CONDITION = 1e-9  # of the normal matrix at unit diagonal: below, no inverse
# In the second reading F1 starts at (1 + height) / 2, so height is at most 1, and its limit is at
# most (1 + 0.02) / 2. The first reading may start anywhere above 1, where F1 is cut off.
GREATEST_HEIGHT = {"samples_per_parameter": 2.0, "capacity_bits_per_sample": 1.0}
GREATEST_OFFSET = {"samples_per_parameter": np.inf, "capacity_bits_per_sample": float(logit(0.02))}


class LawReading(Enum):
    """The quantity that the curve is a function of."""

    SAMPLES_PER_PARAMETER = "samples_per_parameter"
    CAPACITY_BITS_PER_SAMPLE = "capacity_bits_per_sample"

    def ratio(self, num_samples: ArrayLike, size: ArrayLike) -> Floats:
        """Return x; ``size`` is parameters in the first reading, capacity in bits in the second."""
        samples = np.asarray(num_samples, dtype=np.float64)
        sizes = np.asarray(size, dtype=np.float64)
        return samples / sizes if self is LawReading.SAMPLES_PER_PARAMETER else sizes / samples

    @property
    def sign(self) -> int:
        """Sign of the slope."""
        return -1 if self is LawReading.SAMPLES_PER_PARAMETER else 1


@dataclass(frozen=True, kw_only=True)
class MembershipCurve:
    """The law with its constants."""

    reading: LawReading
    height: float = constant(
        "of the fall, twice: 2 F1 - 1 for few samples where nothing cuts it off"
    )
    slope: float = constant("of the argument, per sample a parameter")
    offset: float = constant("of the argument")

    def predict(self, num_samples: ArrayLike, size: ArrayLike) -> Floats:
        """Return F1 for |D| samples in a model of this size (unit as in `LawReading.ratio`)."""
        return self.at(self.reading.ratio(num_samples, size))

    def at(self, ratio: Floats) -> Floats:
        """Return F1 at x."""
        curve = (1 + self.height * expit(self.slope * ratio + self.offset)) / 2
        return np.asarray(np.minimum(curve, 1.0))

    @property
    def limit(self) -> float:
        """F1 as |D| grows to infinity."""
        falls_away = self.reading is LawReading.SAMPLES_PER_PARAMETER
        return 0.5 if falls_away else float(self.at(np.zeros(())))


@dataclass(frozen=True, kw_only=True)
class MembershipLaw:
    """A fitted curve; 95 % intervals, which allow for sizes that differ by more than noise."""

    curve: MembershipCurve
    height_error: float  # standard error, to first order; so the next two
    slope_error: float
    offset_error: float
    residuals: tuple[float, ...]  # observed minus fitted F1, in the order of the runs
    noise: float  # standard deviation of the residuals, three degrees of freedom used
    between_sizes: float | None  # standard deviation of F1 over sizes, beyond run noise
    num_sizes: int
    resampled: tuple[MembershipCurve, ...]

    @property
    def at_bounds(self) -> tuple[str, ...]:
        """Constants that the fit pushed to their bounds: their errors mean little."""
        reading = self.curve.reading.value
        greatest = {"height": GREATEST_HEIGHT[reading], "offset": GREATEST_OFFSET[reading]}
        found = (name for name in greatest if getattr(self.curve, name) > greatest[name] - AT_BOUND)
        return tuple(found)

    def predict(self, num_samples: ArrayLike, size: ArrayLike) -> Floats:
        """Return F1 for |D| samples in a model of this size (unit as in `LawReading.ratio`)."""
        return self.curve.predict(num_samples, size)

    def interval(self, num_samples: ArrayLike, size: ArrayLike) -> tuple[Floats, Floats]:
        """Return the curve's 95 % interval, low and high; single runs scatter by ``noise``."""
        return band_of([each.predict(num_samples, size) for each in self.resampled])


def fit_membership_law(
    reading: LawReading,
    num_samples: ArrayLike,
    size: ArrayLike,
    f1: ArrayLike,
    *,
    num_resamples: int = 200,
    seed: int = 0,
) -> MembershipLaw | NoFit:
    """Fit all sizes together by least squares on F1; every run is a point.

    ``size`` is parameters, or capacity in bits, as `LawReading.ratio` requires. Sizes are clusters,
    because a size may leak more or less than the curve at all its ratios: standard errors are CR3,
    and the bootstrap is wild. It draws one of Webb's weights per size, times the residuals of
    leaving that size out, times Student's t over 1.96. With 2 to 5 sizes that differ by 30 % in ln
    x or 5 % in height its band covers 88-96 %; residuals drawn for any run cover 46-75 %. With a
    single size the runs are the clusters, and the interval says nothing about other sizes.

    Raises ValueError for arrays that are empty, differ in length, or hold an invalid count, size or
    F1.
    """
    ratio, observed = _checked(reading, num_samples, size, f1)
    sizes = np.unique(np.asarray(size, dtype=np.float64), return_inverse=True)[1]
    if reason := _too_little(ratio, observed):
        return NoFit(reason)
    found = [_search(ratio, observed, start) for start in _starts(reading, ratio)]
    curve = min(found, key=lambda each: float(((each.at(ratio) - observed) ** 2).sum()))
    design, fitted = _jacobian(ratio, curve), curve.at(ratio)
    inverse, values = inverse_normal(design)
    if values[0] < LEAST_CONDITION:
        return NoFit(APART)
    residuals = observed - fitted
    clusters = clusters_of_sizes(sizes)
    left_out = left_out_residuals(design, residuals, clusters)
    variances = np.diag(sandwich(inverse, design, left_out, clusters))
    height_error, slope_error, offset_error = np.sqrt(variances).tolist()
    wild = wild_noise(design, residuals, clusters, num_draws=num_resamples, seed=seed)
    return MembershipLaw(
        curve=curve,
        height_error=height_error,
        slope_error=slope_error,
        offset_error=offset_error,
        residuals=tuple(residuals.tolist()),
        noise=float(np.sqrt(residuals @ residuals / (len(residuals) - 3))),
        between_sizes=_between(residuals, sizes),
        num_sizes=int(sizes.max()) + 1,
        resampled=tuple(
            _search(ratio, np.clip(fitted + noise_M, 0.0, 1.0), curve) for noise_M in wild
        ),
    )


def _between(residuals: Floats, sizes: NDArray[np.int64]) -> float | None:
    """Return the random-effects spread of sizes; None for one size, or for one run per size."""
    counts = np.bincount(sizes)
    if len(counts) < 2 or counts.max() < 2:
        return None
    means = np.bincount(sizes, residuals) / counts
    within = ((residuals - means[sizes]) ** 2).sum() / (len(residuals) - len(counts))
    errors = np.sqrt(np.maximum(within, LEAST_NOISE**2) / counts)
    between = random_effects_mean(means, errors).between
    return None if between is None else between.value


def _checked(
    reading: LawReading, num_samples: ArrayLike, size: ArrayLike, f1: ArrayLike
) -> tuple[Floats, Floats]:
    samples, sizes, observed = (
        np.asarray(each, dtype=np.float64) for each in (num_samples, size, f1)
    )
    if samples.ndim != 1 or not samples.shape == sizes.shape == observed.shape or not samples.size:
        shapes = f"{samples.shape}, {sizes.shape} and {observed.shape}"
        raise ValueError(f"a membership law needs samples, sizes and F1 of each run, got {shapes}")
    for name, values in (("samples", samples), ("sizes", sizes)):
        if not (np.isfinite(values).all() and (values > 0).all()):
            raise ValueError(f"a membership law needs finite {name} > 0")
    if not ((observed >= 0) & (observed <= 1)).all():
        raise ValueError("a membership law needs an F1 from 0 to 1 of each run")
    return reading.ratio(samples, sizes), observed


def _too_little(ratio: Floats, observed: Floats) -> str | None:
    num_ratios = len(np.unique(ratio))
    if num_ratios < FEWEST_RATIOS:
        return f"{plural(num_ratios, 'ratio')} of data to size, and the law takes {FEWEST_RATIOS}"
    if observed.max() < 0.5 + LEAKS:
        return f"no run leaks: the highest F1 is {observed.max():.3f}"
    return None


def _starts(reading: LawReading, ratio: Floats) -> list[MembershipCurve]:
    """Return start curves that fall at each quarter of the runs, gently and steeply."""
    middles = np.quantile(ratio, [0.25, 0.5, 0.75])
    steepness = np.array([1.0, 4.0]) * reading.sign / np.median(ratio)
    return [
        MembershipCurve(
            reading=reading,
            height=0.95 * GREATEST_HEIGHT[reading.value] / 1.5,
            slope=float(slope),
            offset=min(-float(slope * middle), GREATEST_OFFSET[reading.value] - 0.1),
        )
        for middle, slope in product(middles, steepness)
    ]


def _search(ratio: Floats, observed: Floats, start: MembershipCurve) -> MembershipCurve:
    """Search over height, ln |slope| and offset, so that the slope keeps its sign."""
    reading, steepest = start.reading, np.log(STEEPEST)
    unit = float(np.median(ratio))

    def curve(x: Floats) -> MembershipCurve:
        height, log_slope, offset = x.tolist()
        slope = reading.sign * float(np.exp(log_slope))
        return MembershipCurve(reading=reading, height=height, slope=slope, offset=offset)

    return curve(
        least_squares_within(
            lambda x: curve(x).at(ratio) - observed,
            (start.height, np.log(abs(start.slope)), start.offset),
            (
                (0.0, GREATEST_HEIGHT[reading.value]),
                (-steepest - np.log(unit), steepest - np.log(unit)),
                (-np.inf, GREATEST_OFFSET[reading.value]),
            ),
            farthest=STEEPEST * float(ratio.max()) / unit,
            jacobian=lambda x: _jacobian(ratio, curve(x)) * [1.0, curve(x).slope, 1.0],
        )
    )


def _jacobian(ratio: Floats, curve: MembershipCurve) -> Floats:
    """Return the derivatives of F1 by (height, slope, offset), 0 where F1 is cut off at 1."""
    sigma = expit(curve.slope * ratio + curve.offset)
    by_offset = curve.height * sigma * (1 - sigma) / 2
    moves = (1 + curve.height * sigma) / 2 < 1
    return np.column_stack([sigma / 2, by_offset * ratio, by_offset]) * moves[:, None]
