"""What a plan takes to be true: laws with their constants, where they are from, how far they go.

Loss over parameters and tokens seen where the distinct ones are limited.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from rote.analysis.estimate import interval_of
from rote.analysis.laws.law import Floats, LawCurve, RunCount
from rote.analysis.laws.repetition import worth


@dataclass(frozen=True, kw_only=True)
class DataLimited:
    """A loss law of which no more than ``distinct`` tokens differ."""

    law: LawCurve  # over parameters and tokens; without R_D over unique tokens besides
    distinct: float
    R_D: float | None  # None: the law itself knows what repeats are worth

    def predict(self, parameters: ArrayLike, tokens: ArrayLike) -> Floats:
        """Loss in nats per token."""
        seen = np.asarray(tokens, dtype=np.float64)
        unique = np.minimum(seen, self.distinct)
        if self.R_D is None:
            return self.law.predict(parameters, seen, unique)
        return self.law.predict(parameters, worth(seen, unique, self.R_D))


Interval = tuple[float, float]
Surface = Callable[[float, float], float]  # of parameters and of data, tokens or samples
NEARLY = 1.01  # times the end of a range: still within


@dataclass(frozen=True, kw_only=True)
class Extrapolation:
    """A law taken further than it was measured."""

    law: str
    input: str
    factor: float  # over the most measured, above 1; over the least, below 1


@dataclass(frozen=True, kw_only=True)
class ValidationErrors:
    """How far a law was off where it was tried: an interval where it has no rivals."""

    reach: float  # half the 95 % interval of one more trial
    floor: float  # what the output cannot leave
    ceiling: float
    source: str

    def around(self, value: float) -> Interval:
        """Cut off at floor and ceiling."""
        return max(value - self.reach, self.floor), min(value + self.reach, self.ceiling)


@dataclass(frozen=True, kw_only=True)
class LawEstimate:
    """One law. ``rivals`` are its bootstrap, or other published fits of the same form."""

    name: str
    inputs: tuple[str, ...]  # of the curve: parameters and one kind of data, in its order
    curve: LawCurve
    rivals: tuple[LawCurve, ...]
    is_resampled: bool  # rivals are a bootstrap: the interval is 95 %; else it spans them
    source: str
    ranges: Mapping[str, Interval]  # of what was measured, by input
    warnings: tuple[str, ...] = ()
    validation_errors: ValidationErrors | None = None

    def surface(self, curve: LawCurve) -> Surface:
        """A curve of this law as a function of parameters first, then data."""
        if self.inputs[0] == "parameters":
            return lambda parameters, data: float(curve.predict(parameters, data))
        return lambda parameters, data: float(curve.predict(data, parameters))

    @property
    def best(self) -> Surface:
        """What is taken to be true."""
        return self.surface(self.curve)

    def interval(self, parameters: float, data: float) -> Interval | None:
        """None where there is one fit and nothing else."""
        if self.validation_errors:
            return self.validation_errors.around(self.best(parameters, data))
        if not self.rivals:
            return None
        return self.spread([self.surface(curve)(parameters, data) for curve in self.rivals])

    def spread(self, values: list[float]) -> Interval:
        """Of what the rivals say."""
        if self.is_resampled:
            return interval_of(values)
        return min(values), max(values)

    def beyond(self, **inputs: float) -> Iterator[Extrapolation]:
        """The inputs that lie outside what was measured."""
        for name, value in inputs.items():
            low, high = self.ranges.get(name, (0.0, np.inf))
            end = high if value > high * NEARLY else low if value < low / NEARLY else None
            if end is not None:
                yield Extrapolation(law=self.name, input=name, factor=value / end)


@dataclass(frozen=True, kw_only=True)
class RepetitionLaw:
    """What tokens seen again, and parameters beyond those that distinct tokens call for, are worth.

    As `rote.analysis.laws.repetition` has it.
    """

    R_D: float  # epochs after which repeating is worth 1 - 1 / e of what it ever is
    R_N: float | None  # the same of surplus parameters; None: they are not discounted
    source: str
    law: (
        LawEstimate | None
    )  # (parameters, tokens, unique tokens) -> nats per token; None: R_D alone
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CapacityEstimate:
    """Bits that a parameter can store."""

    bits_per_parameter: float
    source: str


@dataclass(frozen=True, kw_only=True)
class LawEstimates:
    """All that a plan is made with; a kind of leakage that nothing is known of is None."""

    count: RunCount
    window_tokens: int  # of one sample of |D|
    loss: LawEstimate  # (parameters, tokens) -> nats per token
    repeats: RepetitionLaw
    membership: LawEstimate | None  # (parameters, samples) -> F1
    exposure: LawEstimate | None  # (parameters, samples) -> bits
    extraction: LawEstimate | None  # (parameters, samples) -> share of training windows
    capacity: CapacityEstimate

    def loss_of(self, distinct: float | None) -> LawEstimate:
        """Over parameters and tokens seen, of which so many differ at most; None: all do.

        Where the repetition law is known whole it takes the place of the loss law, in every row, so
        that no loss jumps where a second epoch begins.
        """
        if distinct is None:
            return self.loss
        whole = self.repeats.law
        decay = self.repeats.R_D if whole is None else None

        def data_limited(curve: LawCurve) -> DataLimited:
            return DataLimited(law=curve, distinct=distinct, R_D=decay)

        estimate = whole or self.loss
        rivals = tuple(map(data_limited, estimate.rivals))
        return replace(
            estimate,
            inputs=("parameters", "tokens"),
            curve=data_limited(estimate.curve),
            rivals=rivals,
        )

    @property
    def leakage(self) -> list[LawEstimate]:
        """The kinds that something is known of."""
        kinds = (self.membership, self.exposure, self.extraction)
        return [estimate for estimate in kinds if estimate is not None]
