"""Hold the laws that a plan relies on: their constants, sources, ranges and intervals.

One of them is the loss over parameters and tokens seen when the distinct tokens are limited.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.estimate import Interval, interval_of
from rote.analysis.laws.law import Floats, LawCurve, RunCount
from rote.analysis.laws.repetition import worth
from rote.analysis.published import CapacityScale


@dataclass(frozen=True, kw_only=True)
class DataLimited:
    """A loss law in which at most ``distinct`` tokens differ."""

    law: LawCurve  # over parameters and tokens; without R_D also over unique tokens
    distinct: float
    R_D: float | None  # None: the law itself includes the worth of repeats

    def predict(self, parameters: ArrayLike, tokens: ArrayLike) -> Floats:
        """Return the loss in nats per token."""
        seen = np.asarray(tokens, dtype=np.float64)
        unique = np.minimum(seen, self.distinct)
        if self.R_D is None:
            return self.law.predict(parameters, seen, unique)
        return self.law.predict(parameters, worth(seen, unique, self.R_D))


@dataclass(frozen=True, kw_only=True)
class SuffixProbability:
    """p_z over parameters and distinct training sequences, all else fixed."""

    law: LawCurve  # over parameters, tokens, epochs and repeats: of one token of the suffix
    suffix_tokens: float
    window_tokens: int
    repeats: float
    seen_tokens: float  # at least all distinct tokens are seen, once

    def predict(self, parameters: ArrayLike, samples: ArrayLike) -> Floats:
        """Return the probability that one sample is the true suffix."""
        unique = np.asarray(samples, dtype=np.float64) * self.window_tokens
        seen = np.maximum(self.seen_tokens, unique)
        token_p = self.law.predict(parameters, seen, seen / unique, self.repeats)
        return np.asarray(token_p**self.suffix_tokens)


Surface = Callable[[float, float], float]  # of parameters and data (tokens or samples)
NEARLY = 1.01  # times the end of a range: still counts as within


@dataclass(frozen=True, kw_only=True)
class Extrapolation:
    """An input of a law outside its measured range."""

    law: str
    input: str
    factor: float  # over the most measured, above 1; over the least, below 1


@dataclass(frozen=True, kw_only=True)
class ValidationErrors:
    """Errors of a law where it was tested: they give an interval if it has no rivals."""

    reach: float  # half the 95 % interval of one more test
    floor: float  # least possible output; ceiling: the largest
    ceiling: float
    source: str

    def around(self, value: float) -> Interval:
        """Return the interval around a value, cut off at floor and ceiling."""
        return max(value - self.reach, self.floor), min(value + self.reach, self.ceiling)


@dataclass(frozen=True, kw_only=True)
class LawEstimate:
    """One law. ``rivals`` are its bootstrap, or other published fits of the same form.

    Published laws come without a covariance, so their interval is the span of the published fits;
    plans must call it that, not a 95 % interval.
    """

    name: str
    inputs: tuple[str, ...]  # inputs of the curve, in order: parameters and one kind of data
    curve: LawCurve
    rivals: tuple[LawCurve, ...]
    is_resampled: bool  # rivals are a bootstrap with a 95 % interval; else it spans them
    source: str
    ranges: Mapping[str, Interval]  # measured range of each input
    warnings: tuple[str, ...] = ()
    validation_errors: ValidationErrors | None = None

    def over(self, data: str, change: Callable[[LawCurve], LawCurve]) -> "LawEstimate":
        """Return the estimate over parameters and ``data``, with every curve changed."""
        return replace(
            self,
            inputs=("parameters", data),
            curve=change(self.curve),
            rivals=tuple(map(change, self.rivals)),
        )

    def surface(self, curve: LawCurve) -> Surface:
        """Return a curve of this law as a function of parameters first, then data."""
        if self.inputs[0] == "parameters":
            return lambda parameters, data: float(curve.predict(parameters, data))
        return lambda parameters, data: float(curve.predict(data, parameters))

    @property
    def best(self) -> Surface:
        """The surface of the best fit."""
        return self.surface(self.curve)

    def interval(self, parameters: float, data: float) -> Interval | None:
        """Return the interval, or None if there is only one fit."""
        if self.validation_errors:
            return self.validation_errors.around(self.best(parameters, data))
        if not self.rivals:
            return None
        return self.spread([self.surface(curve)(parameters, data) for curve in self.rivals])

    def spread(self, values: list[float]) -> Interval:
        """Return the interval of the rivals' values."""
        if self.is_resampled:
            return interval_of(values)
        return min(values), max(values)

    def beyond(self, **inputs: float) -> Iterator[Extrapolation]:
        """Yield the inputs that lie outside their measured ranges."""
        for name, value in inputs.items():
            low, high = self.ranges.get(name, (0.0, np.inf))
            end = high if value > high * NEARLY else low if value < low / NEARLY else None
            if end is not None:
                yield Extrapolation(law=self.name, input=name, factor=value / end)


@dataclass(frozen=True, kw_only=True)
class RepetitionLaw:
    """The worth of repeated tokens, and of parameters beyond the optimum for distinct tokens.

    The law is that of `rote.analysis.laws.repetition`.
    """

    R_D: float  # epochs after which repeats have 1 - 1 / e of their total worth
    R_N: float | None  # the same for surplus parameters; None: they are not discounted
    source: str
    law: LawEstimate | None  # over parameters, tokens and unique tokens; None: R_D alone
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SuffixLaw:
    """The law of `rote.analysis.laws.extraction`, and the suffix that it was fitted to."""

    estimate: LawEstimate  # (parameters, tokens, epochs, repeats) -> p of a token
    suffix_tokens: float


@dataclass(frozen=True, kw_only=True)
class LawEstimates:
    """All laws of a plan; a kind of leakage without a law is None."""

    count: RunCount
    window_tokens: int  # length of one sample of |D|
    loss: LawEstimate  # (parameters, tokens) -> nats per token
    repeats: RepetitionLaw
    membership: LawEstimate | None  # (parameters, samples) -> F1
    exposure: LawEstimate | None  # (parameters, samples) -> bits
    extraction: LawEstimate | None  # (parameters, samples) -> share of training windows
    capacity: CapacityScale
    suffix: SuffixLaw | None = None
    why_no_suffix: str = "published laws have none"

    def loss_of(self, distinct: float | None) -> LawEstimate:
        """Return the loss over parameters and tokens seen; at most ``distinct`` differ, None: all.

        If the whole repetition law is known, it replaces the loss law in every row, so that the
        loss does not jump where a second epoch begins.
        """
        if distinct is None:
            return self.loss
        whole = self.repeats.law
        decay = self.repeats.R_D if whole is None else None

        def data_limited(curve: LawCurve) -> DataLimited:
            return DataLimited(law=curve, distinct=distinct, R_D=decay)

        return (whole or self.loss).over("tokens", data_limited)

    def p_z(self, repeats: float, seen_tokens: float) -> LawEstimate | None:
        """Return p_z over parameters and samples, of a sequence that occurs ``repeats`` times."""
        if self.suffix is None:
            return None
        suffix_tokens = self.suffix.suffix_tokens

        def probability(curve: LawCurve) -> SuffixProbability:
            return SuffixProbability(
                law=curve,
                suffix_tokens=suffix_tokens,
                window_tokens=self.window_tokens,
                repeats=repeats,
                seen_tokens=seen_tokens,
            )

        return self.suffix.estimate.over("samples", probability)

    @property
    def leakage(self) -> list[LawEstimate]:
        """The kinds of leakage that have a law."""
        suffix = self.suffix.estimate if self.suffix else None
        kinds = (self.membership, self.exposure, self.extraction, suffix)
        return [estimate for estimate in kinds if estimate is not None]
