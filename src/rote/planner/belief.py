"""What a plan takes to be true: laws with their constants, where they are from, how far they go."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rote.analysis.fits.level import LEVEL
from rote.analysis.laws.law import Count, Curve

Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Belief:
    """One law. ``rivals`` are its bootstrap, or other published fits of the same form."""

    name: str
    curve: Curve
    rivals: tuple[Curve, ...]
    is_resampled: bool  # rivals are a bootstrap: the interval is 95 %; else it spans them
    source: str
    ranges: Mapping[str, Interval]  # of what was measured, by input
    warnings: tuple[str, ...] = ()

    def predict(self, *inputs: ArrayLike) -> float:
        """At one place."""
        return float(self.curve.predict(*inputs))

    def interval(self, *inputs: ArrayLike) -> Interval | None:
        """None where there is one fit and nothing else."""
        if not self.rivals:
            return None
        values = [float(curve.predict(*inputs)) for curve in self.rivals]
        return self.spread(values)

    def spread(self, values: list[float]) -> Interval:
        """Of what the rivals say."""
        if self.is_resampled:
            low, high = np.quantile(values, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
            return float(low), float(high)
        return min(values), max(values)

    def beyond(self, **inputs: float) -> list[str]:
        """How far each input lies outside what was measured, in words."""
        told = []
        for name, value in inputs.items():
            low, high = self.ranges.get(name, (0.0, np.inf))
            if value > high * 1.01:
                told.append(f"{value / high:.2g}x the largest {name}")
            elif value < low * 0.99:
                told.append(f"{value / low:.2g}x the smallest {name}")
        return [f"{self.name}: {each}" for each in told]


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Bits that a parameter can store."""

    bits_per_parameter: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Beliefs:
    """All that a plan is made with; a kind of leakage that nothing is known of is None."""

    count: Count
    window_tokens: int  # of one sample of |D|
    loss: Belief  # (parameters, tokens) -> nats per token
    membership: Belief | None  # (parameters, samples) -> F1
    exposure: Belief | None  # (parameters, samples) -> bits
    extraction: Belief | None  # (parameters, samples) -> share of training windows
    capacity: Capacity

    @property
    def leakage(self) -> list[Belief]:
        """The kinds that something is known of."""
        kinds = (self.membership, self.exposure, self.extraction)
        return [belief for belief in kinds if belief is not None]
