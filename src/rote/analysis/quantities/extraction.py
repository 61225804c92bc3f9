"""Extraction rates with intervals, and how much of them held-out text explains.

A sequence is extracted where greedy continuation of its prefix equals the rest of it exactly
(Carlini et al. 2022, arXiv 2202.07646). Text that can be guessed is extracted too: a held-out rate
is what a model reaches without having seen the sequence.
"""

import math
from dataclasses import dataclass

from rote.analysis.quantities.rate import Rate


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """Rates of one run, or of runs that differ in their seed alone, from prefixes of one length."""

    prefix_tokens: int
    train: Rate
    heldout: Rate

    @property
    def excess(self) -> float:
        """The train rate less the held-out rate: what only training explains."""
        return self.train.value - self.heldout.value

    @property
    def excess_interval(self) -> tuple[float, float]:
        """95 %, from the intervals of the two rates (Newcombe 1998, square and add)."""
        train_low, train_high = self.train.interval
        heldout_low, heldout_high = self.heldout.interval
        train, heldout = self.train.value, self.heldout.value
        return (
            self.excess - math.hypot(train - train_low, heldout_high - heldout),
            self.excess + math.hypot(train_high - train, heldout - heldout_low),
        )

    @property
    def explained_by_heldout(self) -> float | None:
        """The part of the train rate that held-out text reaches too; None where that is 0 of 0."""
        if not self.train.successes:
            return None
        return min(1.0, self.heldout.value / self.train.value)
