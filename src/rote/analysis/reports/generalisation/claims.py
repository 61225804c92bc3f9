"""Which published conclusions hold here: decided from intervals, by rules that are written down.

The conclusions are those of Barron and White 2025 (arXiv 2506.09099), abstract.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rote.analysis.estimate import Estimate
from rote.analysis.reports.generalisation.study import AccuracyPoint, ComparedSizes, Series, Study

HOLDS, FAILS, OPEN = "holds", "does not hold", "not decided"
HALF = 0.5  # more items right than wrong
# A conclusion, and the rule that decides it.
SMALL_EXTRAPOLATES = (
    "a small model extrapolates to unseen arithmetic",
    "the smallest model answers more than half of held-out items",
)
LARGER_LESS = (
    "a larger model extrapolates less",
    "largest less smallest, on held-out items of the same splits and seeds, is below 0",
)
SMALL_FORGETS = (
    "a small model fails to memorise facts that a larger one memorises",
    "largest less smallest, on seen facts, is above 0, and the largest knows over half",
)
NONE_EXTRAPOLATES = (
    "trained on both, no model extrapolates",
    "every size answers less than half of held-out items",
)


@dataclass(frozen=True)
class PublishedClaim:
    """One conclusion, and its verdict for one series of runs."""

    conclusion: str
    rule: str
    series: Series
    measured: str
    verdict: str


def claims(found: Study) -> tuple[PublishedClaim, ...]:
    """Those that the runs test."""
    return tuple(claim for series in found.series for claim in _claims(found, series))


def _claims(found: Study, series: Series) -> Iterable[PublishedClaim]:
    compared = {each.side: each for each in found.compared if each.series == series}
    heldout = found.of(series, "heldout")
    if series.subject == "facts" and (both := compared.get("train")):
        shown = _shown([both.smaller, both.larger]) + _difference(both)
        verdict = _all([_above(both.apart, 0.0), _above(both.larger.free, HALF)])
        yield PublishedClaim(*SMALL_FORGETS, series, shown, verdict)
    if series.subject != "arithmetic" or not heldout:
        return
    if series.trained_on == "joint":
        verdict = _all([_opposite(_above(each.free, HALF)) for each in heldout])
        yield PublishedClaim(*NONE_EXTRAPOLATES, series, _beside_seen(found, heldout), verdict)
        return
    smallest = heldout[:1]
    verdict = _above(smallest[0].free, HALF)
    yield PublishedClaim(*SMALL_EXTRAPOLATES, series, _beside_seen(found, smallest), verdict)
    if both := compared.get("heldout"):
        shown = _beside_seen(found, [both.smaller, both.larger]) + _difference(both)
        yield PublishedClaim(*LARGER_LESS, series, shown, _opposite(_above(both.apart, 0.0)))


def _above(estimate: Estimate | None, level: float) -> str:
    if estimate is None:
        return OPEN
    low, high = estimate.ends
    return HOLDS if low > level else FAILS if high <= level else OPEN


def _opposite(verdict: str) -> str:
    return {HOLDS: FAILS, FAILS: HOLDS}.get(verdict, OPEN)


def _all(verdicts: Sequence[str]) -> str:
    return next((verdict for verdict in (FAILS, OPEN) if verdict in verdicts), HOLDS)


def _beside_seen(found: Study, points: Sequence[AccuracyPoint]) -> str:
    """Beside shares of seen items: what a model has not learnt it cannot extrapolate."""
    seen = [
        f"{each.size} {each.free.value:.0%}"
        for each in found.of(points[0].series, "train")
        if each.size in [point.size for point in points]
    ]
    return f"{_shown(points)}; of seen items {', '.join(seen)}"


def _shown(points: Sequence[AccuracyPoint]) -> str:
    return ", ".join(f"{each.size} {each.free.words('{:.0%}')}" for each in points)


def _difference(both: ComparedSizes) -> str:
    apart = both.apart.words("{:+.0%}") if both.apart else "not known: no split and seed in common"
    return f"; difference {apart}"
