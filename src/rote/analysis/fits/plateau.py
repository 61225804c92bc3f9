"""Fit the plateau: the bits that a model of one size memorises, however many data it gets.

Memorised bits B are a soft minimum of the ceiling H, the bits of the data set that can be memorised
(`rote.measures.cost`), and a capacity C:

    B(H) = (H^-p + C^-p)^(-1/p)

C and the sharpness p of the knee are fitted by least squares on relative residuals. At an equal
budget a model may memorise fewer bits of far larger data sets. If three or more data sets lie
beyond the knee, the curve may therefore fall as H^-f, f >= 0, and C is its top:

    B(H) = H (1 + (H/K)^p)^(-(1+f)/p),    log C = log K - ((1+f) log(1+f) - f log f) / p.

C is an estimate, not a bound; the maximum over single runs is reported beside it.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, xlogy
from scipy.stats import linregress

from rote.analysis.estimate import Estimate, plural, student
from rote.analysis.fits.search import least_squares_within
from rote.core.arrays import Floats

FEWEST_SIZES = 3  # distinct data-set sizes: two unknowns and one to check the fit
DATA_LIMITED = 0.9  # a capacity above this share of the largest ceiling may be the data's limit
SHARPNESS = (0.5, 512.0)  # at 512 the curve is within 0.14 % of a hard minimum everywhere
LIMITED = "data-limited: the capacity is not 10 % below all that its largest data set holds"
SCATTERED = "the runs scatter too much to determine a capacity"
TYPICAL_SHARPNESS = 4.0  # where the search starts
BINDS = 0.1  # d log B / d log C above which a run constrains the capacity
FALL = (1e-6, 1.0)  # exponents f; at the lower one the curve with f = 0 is taken
TYPICAL_FALL = 0.05  # where the search for f starts
FARTHEST = 14.0  # distance in log C from the start, or to an interval's end: a millionfold
BEYOND_CAPACITY = 1.1  # data sets of which the exponent is fitted, in capacities
BEYOND = 0.5  # d log B / d log C above which a data set is beyond the knee


@dataclass(frozen=True, kw_only=True)
class Knee:
    """The curve with its constants."""

    capacity_bits: float  # its top
    sharpness: float
    fall: float = 0.0  # f: beyond the knee, bits fall as data^-f

    def predict(self, ceiling_bits: ArrayLike) -> Floats:
        """Return the memorised bits for data sets with these ceilings."""
        log_data = np.log(np.asarray(ceiling_bits, dtype=np.float64))
        spent = (1 + self.fall) / self.sharpness * np.logaddexp(0, self._steps(log_data))
        bits: Floats = np.exp(log_data - spent)
        return bits

    def pull(self, ceiling_bits: ArrayLike) -> Floats:
        """Return how full the model is: 0 on the ceiling, one half at the knee, 1 far beyond it."""
        share: Floats = expit(self._steps(np.log(np.asarray(ceiling_bits, dtype=np.float64))))
        return share

    def slopes(self, ceiling_bits: Floats) -> Floats:
        """Return d log B / d (log C, log p, f), a row per data set; 0 for f if f is 0."""
        log_data, p, f = np.log(ceiling_bits), self.sharpness, self.fall
        share, steps = self.pull(ceiling_bits), self._steps(log_data)
        by_sharpness = (np.logaddexp(0, steps) - share * (steps + _drop(f))) / p
        by_fall = np.zeros_like(share)
        if f > 0:
            by_fall = ((1 + f) * share * np.log((1 + f) / f) - np.logaddexp(0, steps)) / p
        return np.column_stack([(1 + f) * share, (1 + f) * by_sharpness, by_fall])

    def _steps(self, log_data: Floats) -> Floats:
        """Return p log(H / K)."""
        steps: Floats = self.sharpness * (log_data - np.log(self.capacity_bits)) - _drop(self.fall)
        return steps


def _drop(fall: float) -> float:
    """Return p (log K - log C): how far the top lies below the crossing of the two asymptotes."""
    return float((1 + fall) * np.log1p(fall) - xlogy(fall, fall))


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """A fitted capacity; intervals are 95 %."""

    knee: Knee
    relative_noise: float  # standard deviation of the relative residuals where capacity binds
    degrees_of_freedom: int  # behind the noise
    log_capacity_errors_per_noise: float  # standard error of log C over the noise, set by design
    interval_bits: tuple[float, float]  # from the standard error and Student's t
    maximum_bits: float  # the most that any run memorised

    @property
    def capacity_bits(self) -> float:
        """C, the fitted capacity."""
        return self.knee.capacity_bits


@dataclass(frozen=True, kw_only=True)
class NoPlateau:
    """The reason why no capacity can be fitted; the maximum is a lower bound on it."""

    reason: str
    maximum_bits: float

    @property
    def is_data_limited(self) -> bool:
        """Whether only larger data sets are missing."""
        return self.reason == LIMITED


def fit_plateau(ceiling_bits: ArrayLike, memorised_bits: ArrayLike) -> Plateau | NoPlateau:
    """Fit the capacity of one model size in one precision; every run is a point.

    The standard error is Gauss-Newton's. Noise and degrees of freedom come only from the runs where
    capacity binds: a run far below capacity stores its data exactly, and as a point without noise
    it would make the other runs look too precise (75-85 % coverage where 95 % is claimed). A
    largest ceiling of only 1.12 C gives a wide interval that still covers (93-99 % in simulations).

    Raises ValueError for arrays that are empty, differ in length, or hold invalid bit counts.
    """
    data, memorised = _checked(ceiling_bits, memorised_bits)
    maximum_bits = float(memorised.max())
    if reason := _too_little(data, maximum_bits):
        return NoPlateau(reason=reason, maximum_bits=maximum_bits)
    start = Knee(capacity_bits=maximum_bits, sharpness=TYPICAL_SHARPNESS)
    knee = _search(data, memorised, start)
    if reason := _not_reached(data, knee):
        return NoPlateau(reason=reason, maximum_bits=maximum_bits)
    knee = _falling(data, memorised, knee)
    jacobian = _jacobian(data, memorised, knee)
    binding = _residuals(data, memorised, knee)[knee.pull(data) > BINDS]
    degrees = len(binding) - jacobian.shape[1]
    # A floor on the noise gives an exact fit a finite weight in the mean over sizes.
    noise = max(float(np.sqrt(binding @ binding / degrees)), float(np.finfo(np.float64).eps))
    # If no run lies at the knee, p is free and its column vanishes: the pseudo-inverse drops it.
    inverse = np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-9, hermitian=True)
    errors_per_noise = float(np.sqrt(inverse[0, 0]))
    reach = student(degrees) * errors_per_noise * noise
    if reach > FARTHEST:
        return NoPlateau(reason=SCATTERED, maximum_bits=maximum_bits)
    low, high = np.exp([-reach, reach]).tolist()
    return Plateau(
        knee=knee,
        relative_noise=noise,
        degrees_of_freedom=degrees,
        log_capacity_errors_per_noise=errors_per_noise,
        interval_bits=(knee.capacity_bits * low, knee.capacity_bits * high),
        maximum_bits=maximum_bits,
    )


def exponent_beyond(
    ceiling_bits: ArrayLike, memorised_bits: ArrayLike, capacity_bits: float
) -> Estimate | None:
    """Fit e in B ~ H^e to the runs whose data exceed the capacity: 0 if that is a ceiling.

    The interval is that of the least-squares line through the logarithms. None where fewer than
    three runs, or one size of data set alone, lie `BEYOND_CAPACITY` times above the capacity.
    Raises ValueError as `fit_plateau` does.
    """
    data, memorised = _checked(ceiling_bits, memorised_bits)
    is_beyond = (data > BEYOND_CAPACITY * capacity_bits) & (memorised > 0)
    if is_beyond.sum() < 3 or len(np.unique(data[is_beyond])) < 2:
        return None
    line = linregress(np.log(data[is_beyond]), np.log(memorised[is_beyond]))
    reach = student(int(is_beyond.sum()) - 2) * line.stderr
    return Estimate.of(
        line.slope,
        (line.slope - reach, line.slope + reach),
        n=int(is_beyond.sum()),
        method="Student's t of a line through logarithms",
    )


def _checked(ceiling_bits: ArrayLike, memorised_bits: ArrayLike) -> tuple[Floats, Floats]:
    data, memorised = (np.asarray(each, np.float64) for each in (ceiling_bits, memorised_bits))
    if data.ndim != 1 or data.shape != memorised.shape or data.size == 0:
        raise ValueError(
            f"a plateau needs as many memorised bits {memorised.shape} as data bits {data.shape}, "
            "and at least one"
        )
    if not (np.isfinite(data).all() and np.isfinite(memorised).all() and (data > 0).all()):
        raise ValueError("a plateau needs finite memorised bits and finite, positive data bits")
    return data, memorised


def _too_little(data: Floats, maximum_bits: float) -> str | None:
    if maximum_bits > DATA_LIMITED * data.max():
        return LIMITED
    num_sizes = len(np.unique(data))
    if num_sizes < FEWEST_SIZES:
        return f"{plural(num_sizes, 'data-set size')}, and a plateau takes {FEWEST_SIZES}"
    return "no run memorised anything" if maximum_bits <= 0 else None


def _not_reached(data: Floats, knee: Knee) -> str | None:
    if knee.capacity_bits > DATA_LIMITED * data.max():
        return LIMITED
    num_binding = int((knee.pull(data) > BINDS).sum())
    if num_binding < FEWEST_SIZES:
        runs = plural(num_binding, "run")
        return f"{runs} near or beyond capacity; an interval takes {FEWEST_SIZES}"
    return None


def _falling(data: Floats, memorised: Floats, level: Knee) -> Knee:
    """Return the curve that may fall beyond the knee, if enough data sets lie there.

    It is fitted without a test for the fall: the interval of C then covers 93 to 96 % in
    simulations, but only 74 % at f = 0.03 if an F test at 5 % decides.
    """
    if len(np.unique(data[level.pull(data) > BEYOND])) < FEWEST_SIZES:
        return level
    falling = _search(data, memorised, replace(level, fall=TYPICAL_FALL))
    num_binding = int((falling.pull(data) > BINDS).sum())
    return falling if num_binding > 3 and falling.fall > 2 * FALL[0] else level


def _residuals(data: Floats, memorised: Floats, knee: Knee) -> Floats:
    return memorised / knee.predict(data) - 1


def _jacobian(data: Floats, memorised: Floats, knee: Knee) -> Floats:
    """Return the derivatives of the residuals by (log C, log p), and by f if the curve falls."""
    ratio = memorised / knee.predict(data)
    return -ratio[:, None] * knee.slopes(data)[:, : 3 if knee.fall else 2]


def _search(data: Floats, memorised: Floats, start: Knee) -> Knee:
    """Fit C and p, and also f if the start has one."""
    low, high = np.log(SHARPNESS).tolist()
    bounds = [(-np.inf, np.inf), (low, high), FALL]
    unknowns = [np.log(start.capacity_bits), np.log(start.sharpness)]
    unknowns += [start.fall] if start.fall else []

    def knee(x: Floats) -> Knee:
        capacity_bits, sharpness = np.exp(x[:2]).tolist()
        return Knee(capacity_bits=capacity_bits, sharpness=sharpness, fall=float(sum(x[2:])))

    found = least_squares_within(
        lambda x: _residuals(data, memorised, knee(x)),
        unknowns,
        bounds[: len(unknowns)],
        farthest=FARTHEST,
        jacobian=lambda x: _jacobian(data, memorised, knee(x)),
    )
    return knee(found)
