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
    times_asked: int = 1  # of each thing, by so many models: trials are things times this

    @property
    def value(self) -> float:
        """Between 0 and 1."""
        return self.successes / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, were other things drawn: it covers at least that often.

        Things that several models were asked count once, with the mean over the models.
        """
        return clopper_pearson(self.successes / self.times_asked, self.trials / self.times_asked)


def clopper_pearson(successes: float, trials: float) -> tuple[float, float]:
    """95 %, exact for whole numbers; between them as the beta distribution has it."""
    tail, failures = (1 - LEVEL) / 2, trials - successes
    low = float(beta.ppf(tail, successes, failures + 1)) if successes > 0 else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, failures)) if failures > 0 else 1.0
    return low, high


def pooled(rates: Iterable[Rate], *, same_things: bool = False) -> Rate:
    """All of them added up; ``same_things``: each rate is of the same ones, by another model."""
    added = list(rates)
    return Rate(
        successes=sum(each.successes for each in added),
        trials=sum(each.trials for each in added),
        times_asked=len(added) if same_things else 1,
    )
