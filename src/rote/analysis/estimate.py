"""A number with its 95 % interval: one type, and one way to write it down.

`rote.analysis.estimators` computes them.
"""

from dataclasses import dataclass
from typing import Self

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """``low`` to ``high`` is the 95 % interval; both are None where none can be given."""

    value: float
    low: float | None
    high: float | None
    n: int  # runs, pairs, documents or trials behind the number
    method: str  # how the interval is computed, in a few words
    why_none: str = ""  # why there is no interval

    @classmethod
    def of(
        cls, value: float, interval: Interval | None, *, n: int, method: str, why_none: str = ""
    ) -> Self:
        """From both ends as a pair; ``why_none`` is kept where ``interval`` is None alone."""
        low, high = interval or (None, None)
        why_none = "" if interval else why_none
        return cls(value=value, low=low, high=high, n=n, method=method, why_none=why_none)

    @property
    def interval(self) -> Interval | None:
        """Low and high; None where there is no interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def ends(self) -> Interval:
        """Low and high; the value twice where there is no interval."""
        return self.interval or (self.value, self.value)

    @property
    def sign(self) -> int:
        """+1 or -1 where the whole interval has that sign, else 0; 0 without an interval."""
        low, high = self.interval or (0.0, 0.0)
        return int(low > 0) - int(high < 0)

    def excludes(self, number: float) -> bool:
        """Whether the interval lies wholly above or below ``number``; False without one."""
        return self.interval is not None and not self.ends[0] <= number <= self.ends[1]

    def span(self, form: str) -> str:
        """As "0.10 to 0.14", or why there is no interval; ``form`` as in ``"{:.2f}"``."""
        return span(self.interval, form) or self.why_none

    def words(self, form: str, *, label: str = "", after: str = "") -> str:
        """As "0.12 (0.10 to 0.14)"; ``label`` stands before the interval, ``after`` behind it."""
        start = f"{label} " if label and self.interval else ""
        return f"{form.format(self.value)} ({start}{self.span(form)}{after})"


@dataclass(frozen=True, kw_only=True)
class Rate(Estimate):
    """Successes over trials; without trials the value is NaN, and the interval 0 to 1."""

    successes: int
    trials: int
    times_asked: int = 1  # models that tried each thing: ``n`` things are ``trials`` over this


@dataclass(frozen=True, kw_only=True)
class OverSplits(Estimate):
    """A share of right answers, or a difference of two; ``n`` is runs, or pairs of runs."""

    num_splits: int


def span(interval: Interval | None, form: str) -> str:
    """As "0.10 to 0.14"; nothing for None."""
    return f"{form.format(interval[0])} to {form.format(interval[1])}" if interval else ""
