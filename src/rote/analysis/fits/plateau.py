"""The plateau: how many bits a model of one size holds, however much data it is given.

Memorised bits B are a soft minimum of the ceiling H, all that can be memorised of a data set
(`rote.measures.least_code`), and a capacity C:

    B(H) = (H^-p + C^-p)^(-1/p)

C and the sharpness p of the knee are fitted by least squares on relative residuals. A data set so
large that training never converges lies below the plateau and pulls C down: C underestimates the
capacity there, and the plain maximum, which no such run can lower, stands beside it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.stats import t as student_t

from rote.analysis.fits.level import LEVEL

Floats = NDArray[np.float64]

FEWEST_SIZES = 3  # distinct data-set sizes: two unknowns and one to judge them by
DATA_LIMITED = 0.9  # a capacity above that share of the largest ceiling may be the data's limit
SHARPNESS = (0.5, 512.0)  # at 512 the curve is within 0.14 % of a hard minimum everywhere
LIMITED = "data-limited: the capacity is not 10 % below all that its largest data set holds"
TYPICAL_SHARPNESS = 4.0  # where the search starts
BINDS = 0.1  # d log B / d log C above which a run tells something about the capacity


@dataclass(frozen=True, kw_only=True)
class Knee:
    """The curve itself."""

    capacity_bits: float
    sharpness: float

    def predict(self, ceiling_bits: ArrayLike) -> Floats:
        """Memorised bits of data sets of which so many can be memorised."""
        log_data, p = np.log(np.asarray(ceiling_bits, dtype=np.float64)), self.sharpness
        log_bits: Floats = -np.logaddexp(-p * log_data, -p * np.log(self.capacity_bits)) / p
        return np.exp(log_bits)

    def pull(self, ceiling_bits: ArrayLike) -> Floats:
        """d log B / d log C: 0 on the ceiling, one half at the knee, 1 on the plateau."""
        return (self.predict(ceiling_bits) / self.capacity_bits) ** self.sharpness


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """A fitted capacity; intervals are 95 %."""

    knee: Knee
    relative_noise: float  # standard deviation of the relative residuals where capacity binds
    degrees_of_freedom: int  # behind the noise
    log_capacity_errors_per_noise: float  # standard error of log C over the noise: set by design
    interval_bits: tuple[float, float]  # from the standard error and Student's t
    maximum_bits: float  # the most that any run memorised

    @property
    def capacity_bits(self) -> float:
        """C."""
        return self.knee.capacity_bits

    def predict(self, ceiling_bits: ArrayLike) -> Floats:
        """Memorised bits of data sets of which so many can be memorised."""
        return self.knee.predict(ceiling_bits)


@dataclass(frozen=True, kw_only=True)
class NoPlateau:
    """No capacity can be fitted; the maximum is a lower bound on it."""

    reason: str
    maximum_bits: float

    @property
    def is_data_limited(self) -> bool:
        """Whether larger data sets are what is missing."""
        return self.reason == LIMITED


def fit_plateau(ceiling_bits: ArrayLike, memorised_bits: ArrayLike) -> Plateau | NoPlateau:
    """Fit one model size in one precision; every run is a point.

    The standard error is Gauss-Newton's. Noise and degrees of freedom are counted on the runs where
    capacity binds: a run far below capacity stores its data exactly, and as a point without noise
    it would make the others look better than they are (75-85 % coverage where 95 % is claimed).
    A largest ceiling of only 1.12 C gives a wide interval, which covers (93-99 % in simulations).

    Raises ValueError for arrays that differ in length, are empty, or hold what is no bit count.
    """
    data, memorised = _checked(ceiling_bits, memorised_bits)
    maximum_bits = float(memorised.max())
    if reason := _too_little(data, maximum_bits):
        return NoPlateau(reason=reason, maximum_bits=maximum_bits)
    start = Knee(capacity_bits=maximum_bits, sharpness=TYPICAL_SHARPNESS)
    knee = _least_squares(data, memorised, start)
    if reason := _not_reached(data, knee):
        return NoPlateau(reason=reason, maximum_bits=maximum_bits)
    noise, degrees = _relative_noise(data, memorised, knee)
    errors_per_noise = _log_capacity_errors_per_noise(data, memorised, knee)
    reach = float(student_t.ppf(0.5 + LEVEL / 2, degrees)) * errors_per_noise * noise
    return Plateau(
        knee=knee,
        relative_noise=noise,
        degrees_of_freedom=degrees,
        log_capacity_errors_per_noise=errors_per_noise,
        interval_bits=(
            knee.capacity_bits * float(np.exp(-reach)),
            knee.capacity_bits * float(np.exp(reach)),
        ),
        maximum_bits=maximum_bits,
    )


def _checked(ceiling_bits: ArrayLike, memorised_bits: ArrayLike) -> tuple[Floats, Floats]:
    data = np.asarray(ceiling_bits, dtype=np.float64)
    memorised = np.asarray(memorised_bits, dtype=np.float64)
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
        return f"{num_sizes} data-set size(s), and a plateau takes {FEWEST_SIZES}"
    if maximum_bits <= 0:
        return "no run memorised anything"
    return None


def _not_reached(data: Floats, knee: Knee) -> str | None:
    if knee.capacity_bits > DATA_LIMITED * data.max():
        return LIMITED
    num_binding = int((knee.pull(data) > BINDS).sum())
    if num_binding < FEWEST_SIZES:
        return f"{num_binding} run(s) near or beyond capacity, and an interval takes {FEWEST_SIZES}"
    return None


def _residuals(data: Floats, memorised: Floats, knee: Knee) -> Floats:
    return memorised / knee.predict(data) - 1


def _jacobian(data: Floats, memorised: Floats, knee: Knee) -> Floats:
    """Derivatives of the residuals by (log C, log p)."""
    log_predicted, pull = np.log(knee.predict(data)), knee.pull(data)
    by_sharpness = (1 - pull) * np.log(data) + pull * np.log(knee.capacity_bits) - log_predicted
    ratio = memorised / np.exp(log_predicted)
    return np.column_stack([-ratio * pull, -ratio * by_sharpness])


def _least_squares(data: Floats, memorised: Floats, start: Knee) -> Knee:
    found = least_squares(
        lambda x: _residuals(data, memorised, _knee(x)),
        np.log([start.capacity_bits, start.sharpness]),
        jac=lambda x: _jacobian(data, memorised, _knee(x)),
        bounds=([-np.inf, np.log(SHARPNESS[0])], [np.inf, np.log(SHARPNESS[1])]),
        x_scale="jac",
    )
    return _knee(found.x)


def _knee(logs: Floats) -> Knee:
    capacity_bits, sharpness = np.exp(logs).tolist()
    return Knee(capacity_bits=capacity_bits, sharpness=sharpness)


def _relative_noise(data: Floats, memorised: Floats, knee: Knee) -> tuple[float, int]:
    residuals = _residuals(data, memorised, knee)[knee.pull(data) > BINDS]
    degrees = len(residuals) - 2
    noise = float(np.sqrt(residuals @ residuals / degrees))
    # An exact fit keeps a finite weight in the line through several sizes.
    return max(noise, float(np.finfo(np.float64).eps)), degrees


def _log_capacity_errors_per_noise(data: Floats, memorised: Floats, knee: Knee) -> float:
    jacobian = _jacobian(data, memorised, knee)
    # Where no run lies at the knee, p is free and its column vanishes: the pseudo-inverse drops it.
    inverse = np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-9, hermitian=True)
    return float(np.sqrt(inverse[0, 0]))
