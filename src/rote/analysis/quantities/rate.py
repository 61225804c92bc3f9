"""Successes over trials, with an exact interval."""

from collections.abc import Iterable
from dataclasses import dataclass

from scipy.stats import beta

from rote.analysis.fits.level import LEVEL


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Successes over trials; the interval is Clopper and Pearson's (1934)."""

    successes: int
    trials: int

    @property
    def value(self) -> float:
        """Between 0 and 1."""
        return self.successes / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, exact: it covers at least that often."""
        tail, failures = (1 - LEVEL) / 2, self.trials - self.successes
        low = float(beta.ppf(tail, self.successes, failures + 1)) if self.successes else 0.0
        high = float(beta.ppf(1 - tail, self.successes + 1, failures)) if failures else 1.0
        return low, high


def pooled(rates: Iterable[Rate]) -> Rate:
    """All of them added up."""
    added = list(rates)
    return Rate(
        successes=sum(each.successes for each in added), trials=sum(each.trials for each in added)
    )
