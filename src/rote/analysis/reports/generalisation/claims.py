"""Which published conclusions hold here: decided from intervals, by rules that are written down.

The conclusions are those of Barron and White 2025 (arXiv 2506.09099), abstract.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rote.analysis.estimate import Estimate
from rote.analysis.reports.generalisation.study import Compared, Point, Series, Study

HOLDS, FAILS, OPEN = "holds", "does not hold", "not decided"
HALF = 0.5  # more items right than wrong


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One conclusion, and what one series of runs says of it."""

    conclusion: str
    rule: str
    series: Series
    measured: str
    verdict: str


def claims(found: Study) -> tuple[Claim, ...]:
    """Those that the runs test."""
    return tuple(claim for series in found.series for claim in _claims(found, series))


def _claims(found: Study, series: Series) -> Iterable[Claim]:
    compared = {each.side: each for each in found.compared if each.series == series}
    heldout = found.of(series, "heldout")
    if series.subject == "facts" and "train" in compared:
        yield _of_facts(compared["train"])
    if series.subject == "arithmetic" and heldout:
        is_joint = series.trained_on == "joint"
        yield _none_extrapolates(found, heldout) if is_joint else _one_does(found, heldout[0])
        if "heldout" in compared and not is_joint:
            yield _larger_less(found, compared["heldout"])


def _one_does(found: Study, smallest: Point) -> Claim:
    return Claim(
        conclusion="a small model extrapolates to unseen arithmetic",
        rule="the smallest model answers more than half of held-out items",
        series=smallest.series,
        measured=_beside_seen(found, [smallest]),
        verdict=_above(smallest.free, HALF),
    )


def _larger_less(found: Study, both: Compared) -> Claim:
    return Claim(
        conclusion="a larger model extrapolates less",
        rule="largest less smallest, on held-out items of the same splits and seeds, is below 0",
        series=both.series,
        measured=_beside_seen(found, [both.smaller, both.larger]) + _difference(both),
        verdict=_opposite(_above(both.apart, 0.0)),
    )


def _of_facts(both: Compared) -> Claim:
    return Claim(
        conclusion="a small model fails to memorise facts that a larger one memorises",
        rule="largest less smallest, on seen facts, is above 0, and the largest knows over half",
        series=both.series,
        measured=_shown([both.smaller, both.larger]) + _difference(both),
        verdict=_all([_above(both.apart, 0.0), _above(both.larger.free, HALF)]),
    )


def _none_extrapolates(found: Study, heldout: Sequence[Point]) -> Claim:
    return Claim(
        conclusion="trained on both, no model extrapolates",
        rule="every size answers less than half of held-out items",
        series=heldout[0].series,
        measured=_beside_seen(found, heldout),
        verdict=_all([_opposite(_above(each.free, HALF)) for each in heldout]),
    )


def _above(estimate: Estimate | None, level: float) -> str:
    if estimate is None:
        return OPEN
    low, high = estimate.ends
    return HOLDS if low > level else FAILS if high <= level else OPEN


def _opposite(verdict: str) -> str:
    return {HOLDS: FAILS, FAILS: HOLDS}.get(verdict, OPEN)


def _all(verdicts: Sequence[str]) -> str:
    return next((verdict for verdict in (FAILS, OPEN) if verdict in verdicts), HOLDS)


def _beside_seen(found: Study, points: Sequence[Point]) -> str:
    """A model that has not learnt what it has seen says little of what it would extrapolate."""
    seen = [
        f"{each.size} {each.free.value:.0%}"
        for each in found.of(points[0].series, "train")
        if each.size in [point.size for point in points]
    ]
    return f"{_shown(points)}; of seen items {', '.join(seen)}"


def _shown(points: Sequence[Point]) -> str:
    return ", ".join(f"{each.size} {each.free.words('{:.0%}')}" for each in points)


def _difference(both: Compared) -> str:
    apart = both.apart.words("{:+.0%}") if both.apart else "not known: no split and seed in common"
    return f"; difference {apart}"
