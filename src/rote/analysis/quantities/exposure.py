"""Compute the exposure of canaries in bits, log2 |R| - log2 rank, and its two estimates.

Source: Carlini et al. 2018 (arXiv 1802.08232), section 4. A model that knows nothing of a secret
ranks it at random: its exposure is then exponential with mean 1 / ln 2 = 1.44 bits.
Shapes: K canaries, n references of one canary, T references of all together.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.special import gammaln
from scipy.stats import gamma, kstest, skewnorm

from rote.analysis.estimate import LEVEL, Estimate
from rote.analysis.estimators import bounded_mean
from rote.core.arrays import Floats
from rote.core.units import NATS_PER_BIT, bits_from_nats

CHANCE_BITS = 1 / NATS_PER_BIT
KS_LEVEL = 0.1  # below this p-value the skew-normal does not fit
FEWEST_TO_FIT = 20  # references: three unknowns, and a distribution to check
FEWEST_IN_GROUP = 3  # canaries: with fewer, an interval spans nearly all values
DIRECT = 1e-3  # scipy's distribution function is used above it, the tail below


def exposure_bits(most_bits: ArrayLike, num_as_likely: ArrayLike) -> Floats:
    """Return most - log2(1 + m), where m references are at least as likely as the canary.

    If all of R is ranked, 1 + m is the rank and log2 |R| the most. Of n sampled references the most
    is log2 n: a canary likelier than all of them exposes at least that.
    """
    return np.asarray(most_bits, np.float64) - np.log2(1 + np.asarray(num_as_likely, np.float64))


def secret_code_bits(arrays: Mapping[str, NDArray[np.generic]]) -> Floats:
    """Return the code length of each secret given its template, in bits, float64 [K].

    It is -log2 of the canary's probability over that of all canaries with the same template, which
    references that were drawn stand for. A model that knows nothing takes log2 |R| bits on average
    over uniform secrets, or more.
    """
    own = {key.removeprefix("exposure."): values for key, values in arrays.items()}
    numbers_K = own["num_references"].astype(np.int64)
    others_K = np.exp2(own["secret_bits"].astype(np.float64)) - 1
    codes_T = own["reference_code_bits"].astype(np.float64)
    starts_K = np.cumsum(numbers_K) - numbers_K
    likeliest_K = -np.minimum.reduceat(codes_T, starts_K)
    shares_T = np.exp2(-codes_T - np.repeat(likeliest_K, numbers_K))
    references_K = likeliest_K + np.log2(np.add.reduceat(shares_T, starts_K) * others_K / numbers_K)
    code_K = own["code_bits"].astype(np.float64)
    return np.asarray(np.logaddexp2(-code_K, references_K) + code_K)


def chance_bits(num_secrets: int) -> float:
    """Return the exact expectation of `exposure_bits` for a uniform rank on 1 ... |R|."""
    return math.log2(num_secrets) - bits_from_nats(gammaln(num_secrets + 1)) / num_secrets


@dataclass(frozen=True, kw_only=True)
class SkewNormal:
    """A skew-normal distribution of reference code lengths."""

    shape: float
    location_bits: float
    scale_bits: float
    ks_p_value: float  # too large: the parameters were fitted to the same references

    @property
    def holds(self) -> bool:
        """Whether Kolmogorov and Smirnov's test admits the fit: else its exposures are a guess."""
        return self.ks_p_value >= KS_LEVEL

    def exposure_bits(self, code_bits: float) -> float:
        """Return -log2 of the share of secrets that are at least as likely as this one."""
        place = (code_bits - self.location_bits) / self.scale_bits
        return -float(bits_from_nats(_log_distribution(place, self.shape)))


def fit_skew_normal(reference_code_bits: ArrayLike) -> SkewNormal | None:
    """Fit by maximum likelihood, and test the fit by Kolmogorov-Smirnov on the same references.

    None for fewer than `FEWEST_TO_FIT` references, and if some are infinite or all are equal.
    """
    codes = np.asarray(reference_code_bits, dtype=np.float64)
    if len(codes) < FEWEST_TO_FIT or not np.isfinite(codes).all():
        return None
    centre, spread = codes.mean(), codes.std()
    if spread <= 1e-9 * abs(centre):
        return None
    # In units of their own spread, because scipy's search takes steps of a fixed size.
    shape, place, scale = skewnorm.fit((codes - centre) / spread)
    location, scale = centre + spread * place, spread * scale
    return SkewNormal(
        shape=float(shape),
        location_bits=float(location),
        scale_bits=float(scale),
        ks_p_value=float(kstest(codes, skewnorm(shape, location, scale).cdf).pvalue),
    )


@dataclass(frozen=True, kw_only=True)
class Chance:
    """Whether controls expose as much as guesses do; otherwise something is wrong."""

    num_controls: int
    mean_bits: float
    range_bits: tuple[float, float]  # 95 % range of the mean under chance
    p_value: float  # two-sided

    @property
    def holds(self) -> bool:
        """Whether the mean lies in the range that chance allows."""
        return self.range_bits[0] <= self.mean_bits <= self.range_bits[1]


def compare_with_chance(control_bits: ArrayLike) -> Chance:
    """Compare controls with chance: K exponentials of mean 1 / ln 2 sum to a gamma of shape K.

    Raises ValueError if there are no controls.
    """
    exposures = np.asarray(control_bits, dtype=np.float64)
    number = len(exposures)
    if number == 0:
        raise ValueError("no controls: nothing shows what a guess exposes here")
    mean = float(exposures.mean())
    low, high = gamma.interval(LEVEL, number, scale=CHANCE_BITS / number)
    below = float(gamma.cdf(mean, number, scale=CHANCE_BITS / number))
    return Chance(
        num_controls=number,
        mean_bits=mean,
        range_bits=(float(low), float(high)),
        p_value=2 * min(below, 1 - below),
    )


def mean_exposure(exposure_bits_K: ArrayLike, *, most_bits: float) -> Estimate:
    """Return the mean over canaries in bits; no interval for fewer than `FEWEST_IN_GROUP`.

    Exposures lie between 0 and the largest measurable value. If many are at either end, a bootstrap
    and Student's t cover the mean far too rarely (`rote.analysis.estimators.bounded_mean`). An
    exposure by sampling may lie below 0 by log2(1 + 1 / n), and counts as 0 in the interval.
    """
    bits_K = np.asarray(exposure_bits_K, dtype=np.float64)
    found = bounded_mean(np.maximum(0.0, bits_K), least=0.0, most=most_bits)
    mean = replace(found, value=float(bits_K.mean()))
    if mean.n >= FEWEST_IN_GROUP:
        return mean
    return replace(mean, low=None, high=None, why_none=f"fewer than {FEWEST_IN_GROUP} canaries")


@dataclass(frozen=True, kw_only=True)
class Exposures:
    """Exposures of every canary of one run, in the manifest's order."""

    repeats_K: NDArray[np.int64]
    bits_K: Floats  # by rank if all secrets were ranked, else by sampling
    most_bits_K: Floats  # the largest measurable: log2 of the number of ranked secrets
    code_bits_K: Floats
    reference_code_bits: Sequence[ArrayLike]  # of each canary

    @property
    def is_control_K(self) -> NDArray[np.bool_]:
        """Whether each canary is a control, which was never inserted."""
        return self.repeats_K == 0

    @cached_property
    def at_repeats(self) -> dict[int, Estimate]:
        """Mean exposure by number of repeats, rising; intervals are over draws of canaries."""
        parts = {int(times): self.repeats_K == times for times in np.unique(self.repeats_K)}
        return {
            times: mean_exposure(self.bits_K[own_K], most_bits=float(self.most_bits_K[own_K].max()))
            for times, own_K in parts.items()
        }

    @cached_property
    def fits_K(self) -> list[SkewNormal | None]:
        """The skew-normal of each canary's references, or None; this takes 0.3 s a run."""
        return [fit_skew_normal(each) for each in self.reference_code_bits]

    @property
    def fitted_bits_K(self) -> list[float | None]:
        """Exposure by the skew-normal; None if none is fitted."""
        pairs = zip(self.fits_K, self.code_bits_K, strict=True)
        return [fit.exposure_bits(float(code)) if fit else None for fit, code in pairs]


def exposures(arrays: Mapping[str, NDArray[np.generic]]) -> Exposures:
    """Read the arrays that `rote.measures.exposure` stores."""
    own = {key.removeprefix("exposure."): values for key, values in arrays.items()}
    numbers_K = own["num_references"].astype(np.int64)
    most_K = np.where(own["is_exact"].astype(np.bool_), own["secret_bits"], np.log2(numbers_K))
    return Exposures(
        repeats_K=own["repeats"].astype(np.int64),
        bits_K=exposure_bits(most_K, own["num_as_likely"]),
        most_bits_K=most_K,
        code_bits_K=own["code_bits"].astype(np.float64),
        reference_code_bits=np.split(own["reference_code_bits"], np.cumsum(numbers_K)[:-1]),
    )


def _log_distribution(place: float, shape: float) -> float:
    """Return ln of the standard skew-normal's distribution function, without underflow.

    In the far tail the density is taken out of the integral: F(z) = f(z) * integral of f(z - u) /
    f(z) over u from 0, whose integrand falls from 1 about as fast as exp(-|z| (1 + max(shape, 0)^2)
    u).
    """
    direct = float(skewnorm.cdf(place, shape))
    if direct > DIRECT:
        return math.log(direct)
    at_place = float(skewnorm.logpdf(place, shape))
    rate = abs(place) * (1 + max(shape, 0.0) ** 2)

    def ratio(v: float) -> float:
        return math.exp(float(skewnorm.logpdf(place - v / rate, shape)) - at_place)

    return at_place + math.log(quad(ratio, 0, math.inf)[0] / rate)
