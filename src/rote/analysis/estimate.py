"""Define `Estimate`, a number with its 95 % interval, and format numbers for pages.

This module sets the one confidence level of all intervals in reports, and how pages write numbers:
with true minus signs, no "+0.000" and short counts. `rote.analysis.estimators` computes estimates.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from scipy.stats import t as student_t

from rote.core.arrays import Floats

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval ``low`` to ``high``; both are None if there is none."""

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
        """Build from an interval as a pair; ``why_none`` is kept only if ``interval`` is None."""
        low, high = interval or (None, None)
        why_none = "" if interval else why_none
        return cls(value=value, low=low, high=high, n=n, method=method, why_none=why_none)

    @property
    def interval(self) -> Interval | None:
        """Low and high, or None without an interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def ends(self) -> Interval:
        """Low and high; without an interval, the value twice."""
        return self.interval or (self.value, self.value)

    @property
    def sign(self) -> int:
        """+1 or -1 if the whole interval has that sign, else 0; 0 without an interval."""
        low, high = self.interval or (0.0, 0.0)
        return int(low > 0) - int(high < 0)

    def excludes(self, number: float) -> bool:
        """Whether the interval lies wholly above or below ``number``; False without an interval."""
        return self.interval is not None and not self.ends[0] <= number <= self.ends[1]

    def exceeds(self, number: float) -> bool:
        """Whether the interval lies wholly above ``number``; False without an interval."""
        return self.interval is not None and self.ends[0] > number

    def span(self, form: str) -> str:
        """Return "0.10 to 0.14", or why there is no interval; ``form`` is like ``"{:.2f}"``."""
        return span(self.interval, form) or self.why_none

    def words(self, form: str, *, label: str = "", after: str = "") -> str:
        """Return "0.12 (0.10 to 0.14)"; ``label`` goes before the interval, ``after`` behind it."""
        start = f"{label} " if label and self.interval else ""
        return f"{form.format(self.value)} ({start}{self.span(form)}{after})"


@dataclass(frozen=True, kw_only=True)
class Rate(Estimate):
    """Successes over trials; without trials the value is NaN and the interval is 0 to 1."""

    successes: int
    trials: int
    times_asked: int = 1  # models that tried each of the ``n`` things; ``trials`` = n times this


@dataclass(frozen=True, kw_only=True)
class OverSplits(Estimate):
    """A share of right answers, or a difference of two shares; ``n`` is runs, or pairs of runs."""

    num_splits: int


def span(interval: Interval | None, form: str) -> str:
    """Return "0.10 to 0.14", or an empty text for None."""
    return f"{form.format(interval[0])} to {form.format(interval[1])}" if interval else ""


def with_interval(name: str, estimate: Estimate | None) -> dict[str, Any]:
    """Return the value and, as ``<name>_interval``, the interval, for a manifest."""
    return {
        name: estimate and estimate.value, f"{name}_interval": estimate and estimate.interval,
    }  # fmt: skip


MINUS = "\N{MINUS SIGN}"
COUNT_OF = re.compile(r"\bnum_(\w+) (\d+)(?=,|$)")
HYPHEN_OF_A_NUMBER = re.compile(r"(?<![\w.])-(?=[\d.∞])")


def number(value: float, form: str) -> str:
    """Format the value with ``form``: 0 gets no sign, a value that would show as zero one digit."""
    written = form.format(value)
    if value == 0:
        return written.replace("+", "")
    if not re.search(r"[1-9]", written) and re.search(r"\d", written):
        one_digit = "+.1g" if "+" in form else ".1g"
        return f"{100 * value:{one_digit}}%" if "%" in form else f"{value:{one_digit}}"
    return written


def typeset(text: str) -> str:
    """Put true minus signs before numbers; text to copy into a terminal keeps its hyphens."""
    return HYPHEN_OF_A_NUMBER.sub(MINUS, text)


def plural(count: int, noun: str) -> str:
    """Return "1 seed", or "3 seeds"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def extent(column: pl.Series) -> str:
    """Return the least and the largest of whole numbers, or one number if all are equal."""
    low, high = column.to_numpy().min(), column.to_numpy().max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def models_words(runs: pl.DataFrame) -> str:
    """Return "models of 100 to 900 parameters; 50 optimiser steps", of a table of runs."""
    parameters, steps = extent(runs["parameters"]), extent(runs["training.steps"])
    return f"models of {parameters} parameters; {steps} optimiser steps"


def seeds_words(runs: pl.DataFrame) -> str:
    """Return "3 seeds", of a table of runs."""
    return plural(runs["seed"].n_unique(), "seed")


def between(values: Iterable[float], form: str) -> str:
    """Return least to most as "0.10 to 0.14", or one if both format alike; takes one or more."""
    numbers = list(values)
    low, high = form.format(min(numbers)), form.format(max(numbers))
    return low if low == high else f"{low} to {high}"


def setting_words(setting: str) -> str:
    """Format keys and values: "num_sequences 400, top_k 5" becomes "400 sequences, top k 5"."""
    counted = COUNT_OF.sub(lambda found: f"{int(found[2]):,} {found[1]}", setting)
    return counted.replace("_", " ")


LEVEL = 0.95
ENDS = (0.5 - LEVEL / 2, 0.5 + LEVEL / 2)  # shares of draws that lie below an interval's ends

ENDLESS = 1e300  # stands for an infinite draw: no quantile may fall between it and a finite one


def student(degrees: float) -> float:
    """Return half an interval's width over its standard error, for these degrees of freedom."""
    return float(student_t.ppf(ENDS[1], degrees))


def interval_of(draws: Floats | Sequence[float]) -> tuple[float, float]:
    """Return the interval that holds the middle 95 % of a bootstrap's draws."""
    low, high = band_of(draws)
    return float(low), float(high)


def band_of(draws: Floats | Sequence[Floats] | Sequence[float]) -> tuple[Floats, Floats]:
    """Return that interval at each place of curves [draws, ...]."""
    low, high = np.quantile(np.clip(draws, -ENDLESS, ENDLESS), ENDS, axis=0)
    return low, high


def hull(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Return the interval that spans both: it covers at least as often as either."""
    return min(first[0], second[0]), max(first[1], second[1])
