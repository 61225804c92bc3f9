"""Extraction rates with intervals, and how much of them held-out text explains.

A sequence is extracted where greedy continuation of its prefix equals the rest of it exactly
(Carlini et al. 2022, arXiv 2202.07646). Text that can be guessed is extracted too: a held-out rate
is what a model reaches without having seen the sequence.
"""

from dataclasses import dataclass

from rote.analysis.estimate import Estimate, Rate
from rote.analysis.estimators import difference


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """Rates of one run, or of runs that differ in their seed alone, from prefixes of one length."""

    prefix_tokens: int
    train: Rate
    heldout: Rate

    @property
    def excess(self) -> Estimate:
        """The train rate less the held-out rate: what only training explains."""
        return difference(self.train, self.heldout)

    @property
    def explained_by_heldout(self) -> float | None:
        """The part of the train rate that held-out text reaches too; None where that is 0 of 0."""
        if not self.train.successes:
            return None
        return min(1.0, self.heldout.value / self.train.value)
