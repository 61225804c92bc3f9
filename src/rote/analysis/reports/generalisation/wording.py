"""Put findings on generalisation into words, and judge which published conclusions hold.

The conclusions are those of Barron and White 2025 (arXiv 2506.09099), abstract. Stated rules decide
them from intervals.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from rote.analysis.estimate import Estimate, models_words, plural, seeds_words
from rote.analysis.metrics import METRICS
from rote.analysis.published import SOURCE
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
    """Return the conclusions that the runs test."""
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
    """State shares beside those of seen items: a model can extrapolate only what it has learnt."""
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


PER_PARAMETER = METRICS["knowledge_bits_per_parameter"]
MATCHES_CAPTION = (
    "Greedy decoding gives the whole answer and its end, or it does not. Large marks are means "
    "over held-out splits of the means over seeds, small ones single runs. "
    "Bars are 95 % intervals: Student's t over splits, each with the mean of its seeds, and the "
    "exact interval of Clopper and Pearson over all answers, if it is wider; where every split is "
    "answered whole or not at all, fewer than 20 hold the mean 84 to 89 % of the time. No "
    f"run, step or size was chosen by its held-out answers. {SOURCE}: one split of four problems, "
    "one seed."
)
KNOWLEDGE_CAPTION = (
    "Bits stored: the entropy of all values, each fact once, less what the model still needs to "
    "give them, the question given. Large marks are means over seeds with 95 % intervals, "
    "Student's t; small ones single runs. A model that is sure of wrong values stores less than "
    "nothing. Values are drawn uniformly, so nothing of this is skill. Grey dashes: all there was "
    "to know. Dotted: 1 and 2 bits per parameter."
)
CLAIM_NOTE = (
    "A conclusion holds, or does not, where the 95 % interval of what decides it lies wholly on "
    "one side; it is not decided where the interval holds both. Free-running answers count. One "
    "split of four problems says little of other splits, however many seeds it is given."
)
PUBLISHED_NOTE = (
    f"{SOURCE}: checkpoints chosen on a score with the held-out items in it, one seed; ours are "
    "the last weights of every run. Joint training: three numbers in the order printed."
)
MORE_OR_LESS = {-1: "the larger one less", 1: "the larger one more"}
OPEN_WHICH = "which one answers more is not decided"


def headlines(found: Study, tested: Sequence[PublishedClaim]) -> tuple[str, ...]:
    """Return the lines for the terminal."""
    most = found.knowledge.sort("knowledge_bits") if found.knowledge.height else pl.DataFrame()
    best = {run["size"]: _stored(run) for run in most.iter_rows(named=True)}
    return (
        *map(compared, found.extrapolated),
        *(f'"{each.conclusion}" {each.verdict} on {each.series.title}' for each in tested),
        *best.values(),
        f"{plural(found.runs.height, 'run')}; intervals are over splits",
    )


def compared(each: ComparedSizes) -> str:
    """State whether the larger model answers fewer unseen items."""
    name, smaller, larger = each.series.title, each.smaller, each.larger
    if each.apart is None:
        return f"{name}: sizes share no split and seed"
    shares = (
        f"{smaller.size} answers {smaller.free.words('{:.0%}')} of held-out items, "
        f"{larger.size} {larger.free.words('{:.0%}')}"
    )
    which = MORE_OR_LESS.get(each.apart.sign, OPEN_WHICH)
    apart = f"{each.apart.value:+.0%}, {each.apart.span('{:+.0%}')}"
    splits = f"{plural(each.apart.num_splits, 'split')}, {plural(each.apart.n, 'pair')} of runs"
    return f"{name}: {shares}: {which} ({apart}, {splits})"


def verdict(tested: Sequence[PublishedClaim]) -> str:
    """State how many conclusions survive."""
    if not tested:
        return "No published conclusion is tested by these runs."
    counts = Counter(each.verdict for each in tested)
    return (
        f"Of {len(tested)} published conclusions, one for each kind of split and setting, "
        f"{counts[HOLDS]} hold, {counts[FAILS]} do not, {counts[OPEN]} cannot be decided."
    )


def matches_title(found: Study) -> str:
    """State what the figure shows about extrapolation."""
    known = [(each.series, each.apart) for each in found.extrapolated if each.apart]
    if not known:
        return "Exact answers, seen and held out"
    series, apart = min(known, key=lambda each: each[0].split != "randomly")
    which, where = {-1: "less", 1: "more"}.get(apart.sign), series.split_words
    if which is None:
        return f"It is not decided whether the largest model extrapolates less: {where}"
    return f"The largest model extrapolates {which}: {where}"


def knowledge_title(people: pl.DataFrame) -> str:
    """State the most knowledge that any run stored."""
    most = people.sort(PER_PARAMETER.name, descending=True).row(0, named=True)
    if most["knowledge_bits"] <= 0:
        return "No run knows the values better than a guess"
    return (
        f"Up to {most[PER_PARAMETER.name]:.2f} bits of knowledge per parameter "
        f"({most['size']}, {most['parameters']:,} parameters)"
    )


def _stored(run: dict[str, float]) -> str:
    bits, each = run["knowledge_bits"], run[PER_PARAMETER.name]
    if bits <= 0:
        return f"{run['size']}: no knowledge stored ({bits:,.0f} bits, {each:.2f} per parameter)"
    return f"{run['size']}: {bits:,.0f} bits of knowledge stored, {each:.2f} per parameter"


def setting(runs: pl.DataFrame) -> str:
    """State what was trained, and for how long."""
    splits = runs.filter(pl.col("split") != "")["split_seed"].n_unique()
    return (
        f"{', '.join(sorted(runs['trained_on'].unique()))}; {models_words(runs)}; "
        f"{plural(splits, 'seed')} of splits, {seeds_words(runs)} of runs."
    )
