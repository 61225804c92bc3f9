"""Findings of the report on generalisation in words, for the terminal, the page and the figures."""

from rote.analysis.published_extrapolation import SOURCE
from rote.analysis.reports.generalisation.claims import FAILS, HOLDS, OPEN, Claim, claims
from rote.analysis.reports.generalisation.study import Compared, Series, Study

CAPTIONS = {
    "matches": (
        "Greedy decoding gives the whole answer and its end, or it does not. Filled marks and "
        "lines: held-out items; hollow and dashed: items that were trained on. Each is the mean "
        "over held-out splits of the means over seeds; dashes are single splits, seeds added up. "
        "Bars, 95 %: Student's t over splits, each with the mean of its seeds, and the exact "
        "interval of Clopper and Pearson over all answers, if it is wider; where every split is "
        "answered whole or not at all, fewer than 20 hold the mean 84 to 89 % of the time. No "
        "run, step or size was chosen by its held-out answers. " + SOURCE + ": one split of four "
        "problems, one seed."
    ),
    "knowledge": (
        "Bits stored: the entropy of all values that were told, each fact once, less what the "
        "model still needs to tell them, the question given. A model that is sure of wrong values "
        "stores less than nothing. Values are drawn uniformly, so nothing of this is skill. Grey "
        "dashes: all there was to know."
    ),
}
CLAIM_NOTE = (
    "A conclusion holds, or does not, where the 95 % interval of what decides it lies wholly on "
    "one side; it is not decided where the interval holds both. Free-running answers count. One "
    "split of four problems says little of other splits, however many seeds it is given."
)
PUBLISHED_NOTE = (
    f"{SOURCE}: checkpoints chosen on a score with the held-out items in it, one seed; ours are "
    "the last weights of every run. Joint training: three numbers in the order printed."
)


def headlines(found: Study) -> tuple[str, ...]:
    """Lines for the terminal."""
    extrapolation = [
        compared_line(each)
        for each in found.compared
        if each.side == "heldout" and each.series.subject == "arithmetic"
    ]
    return (
        *extrapolation,
        *map(claim_line, claims(found)),
        *map(_stored_line, _most_stored(found)),
        f"{len(found.runs)} runs; intervals are over splits",
    )


def compared_line(each: Compared) -> str:
    """Whether the larger model answers less of what it has not seen."""
    smaller, larger = each.smaller.free, each.larger.free
    if each.apart is None:
        return f"{each.series.name}: sizes share no split and seed"
    verdict = {-1: "less", 1: "more"}.get(each.apart.sign, "neither more nor less, as far as told")
    return (
        f"{each.series.name}: {each.smaller.size} answers "
        f"{smaller.words('{:.0%}')} of held-out items, "
        f"{each.larger.size} {larger.words('{:.0%}')}: the larger one "
        f"{verdict} ({each.apart.value:+.0%}, {each.apart.span('{:+.0%}')}, "
        f"{each.apart.num_splits} split(s), {each.apart.n} runs)"
    )


def claim_line(claim: Claim) -> str:
    """A conclusion and its verdict."""
    return f'"{claim.conclusion}" {claim.verdict} on {claim.series.name}'


def verdict(found: Study) -> str:
    """How many conclusions survive."""
    made = claims(found)
    if not made:
        return "No published conclusion is tested by these runs."
    holds, fails, undecided = (
        sum(each.verdict == name for each in made) for name in (HOLDS, FAILS, OPEN)
    )
    return (
        f"Of {len(made)} published conclusions, one for each kind of split and setting, {holds} "
        f"hold, {fails} do not, {undecided} cannot be decided."
    )


def matches_title(found: Study) -> str:
    """What the figure shows of extrapolation."""
    compared = [
        each
        for each in found.compared
        if each.side == "heldout" and each.series.subject == "arithmetic" and each.apart
    ]
    chosen = [each for each in compared if each.series.split == "randomly"] or compared
    if not chosen or chosen[0].apart is None:
        return "Exact answers, seen and held out"
    told = {-1: "less", 1: "more"}.get(chosen[0].apart.sign, "about as much")
    return f"The largest model extrapolates {told}: {split_words(chosen[0].series)}"


def split_words(series: Series) -> str:
    """How held-out problems were chosen."""
    return "random splits" if series.split == "randomly" else f"{series.split} split"


def knowledge_title(found: Study) -> str:
    """The most that any run stored."""
    most = max(found.knowledge, key=lambda each: each.bits_per_parameter)
    if most.stored_bits <= 0:
        return "No run knows the values better than a guess"
    return (
        f"Up to {most.bits_per_parameter:.2f} bits of knowledge per parameter "
        f"({most.size}, {most.parameters:,} parameters)"
    )


def _most_stored(found: Study) -> list[tuple[str, float, float]]:
    """Of each size the run that stored most: size, bits, of all given."""
    best: dict[str, tuple[str, float, float]] = {}
    for each in sorted(found.knowledge, key=lambda each: each.stored_bits):
        best[each.size] = (each.size, each.stored_bits, each.bits_per_parameter)
    return list(best.values())


def _stored_line(most: tuple[str, float, float]) -> str:
    size, bits, per_parameter = most
    return f"{size}: {bits:,.0f} bits of knowledge stored, {per_parameter:.2f} per parameter"


def setting(found: Study) -> str:
    """What was trained, for how long."""
    runs = found.runs
    steps, sizes = (runs[name].to_numpy() for name in ("training.steps", "parameters"))
    splits = runs.filter(runs["split"] != "")["split_seed"].n_unique()
    return (
        f"{', '.join(sorted(runs['trained_on'].unique()))}; models of {sizes.min():,} to "
        f"{sizes.max():,} parameters; {steps.min():,} to {steps.max():,} optimiser steps; "
        f"{splits} seed(s) of splits, {runs['seed'].n_unique()} seed(s) of runs."
    )
