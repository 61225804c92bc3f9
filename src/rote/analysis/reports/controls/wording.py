"""Put findings on controls into words for the terminal, the page and the figures."""

from rote.analysis.estimate import Estimate
from rote.analysis.reports.controls.study import NONE, ControlPoint, Panel, Study
from rote.analysis.table import Row

REGULARISERS = ("dropout", "weight_decay")  # those of Zhang et al. that also apply to text
FITTED_SHARE = 0.95  # share of random training labels right: above, they count as fitted
SOURCE = "Zhang et al. 2016, arXiv 1611.03530"
CLAIM = "qualitatively unaffected by explicit regularisation"
FRONTIER_CAPTION = (
    "Down and left is better. A mark is a control at one strength (the number beside it), "
    "mean over seeds; bars are 95 % intervals over seeds, Student's t, cut at the frame. Star "
    "and dotted lines: no control. Dashed: the Pareto frontier, of which no other mark has "
    "less of the one and no more of the other. Finely dotted: a guess; what is worse than a "
    "guess stands on it, since that protects nothing more. Bits memorised: entropy less code "
    "length, of labels that are all random or of random tokens. There no model can be better "
    "than a guess on held-out sequences, so that a control costs nothing: held-out loss tells "
    "only how sure a model is of what it cannot know."
)
FITTED_NOTE = (
    f"Random labels are said to be fitted where {FITTED_SHARE:.0%} of them are told "
    f"right, by the lower end of the interval over seeds, and not to be where the upper end "
    f"is below that. The claim: {SOURCE}, of images."
)
TABLE_NOTE = (
    "Differences are taken seed by seed against the run without control of the same seed; their "
    "intervals are Student's t over seeds. Leakage is told as it is; changes and the frontier "
    "count no less than a guess's. Many comparisons are made: of twenty that are nothing "
    "but chance one has an interval without 0."
)


def headlines(found: Study) -> tuple[str, ...]:
    """Return the lines for the terminal."""
    return (*map(panel_line, found.panels), *regularisation_lines(found))


def panel_line(panel: Panel) -> str:
    """State which control lowers leakage, and its cost."""
    name = f"{panel.name}, {panel.kind.title}"
    if panel.anchor is None:
        return f"{name}: no run without control to hold others against"
    guess = f"{panel.kind.form.format(panel.guess)} by a guess"
    without = f"{name}: {panel.kind.amount(panel.anchor.leak.value)} without control ({guess})"
    helping = lowering(panel)
    if not helping:
        return f"{without}; no control lowers it beyond doubt (interval over seeds)"
    best = helping[0]
    cheapest = min(helping, key=lambda each: each.loss.value)
    text = f"{without}; lowest with {_point(panel, best)}"
    if cheapest is not best:
        text += f"; lowered at the lowest held-out loss by {_point(panel, cheapest)}"
    dearer = sum(each.cost is not None and each.cost.sign > 0 for each in helping)
    return (
        f"{text}; {len(helping)} of {len(panel.controlled)} lower it, {dearer or 'none'} of these "
        "at a cost beyond doubt"
    )


def lowering(panel: Panel) -> list[ControlPoint]:
    """Return the controls that lower leakage by their whole interval, the lowest leakage first.

    Among those that cannot be distinguished from a guess, the cheapest comes first.
    """
    helping = [each for each in panel.controlled if each.saved and each.saved.sign < 0]
    return sorted(
        helping,
        key=lambda each: (
            panel.guess if _is_a_guess(panel, each) else each.counted.value,
            each.loss.value,
        ),
    )


def _is_a_guess(panel: Panel, point: ControlPoint) -> bool:
    """Judge by the lower end of the interval; a single run counts as exact."""
    return point.leak.ends[0] <= panel.guess


def _point(panel: Panel, point: ControlPoint) -> str:
    doubt = ": not told from a guess" if _is_a_guess(panel, point) else ""
    leak = f"{panel.kind.amount(point.leak.value)}{doubt}"
    return f"{point.title} ({leak}, {cost_words(point.cost)})"


def cost_words(cost: Estimate | None) -> str:
    """State the change in held-out loss, with its interval over seeds."""
    if cost is None:
        return "cost not known"
    return f"held-out loss {cost.words('{:+.3f}')} bits per token"


def regularisation_lines(found: Study) -> tuple[str, ...]:
    """State, one line per panel, whether random labels are fitted whatever the regulariser."""
    panels = dict.fromkeys(each["panel"] for each in found.fitted)
    return tuple(
        _regularisation(name, [each for each in found.fitted if each["panel"] == name])
        for name in panels
    )


def _regularisation(panel: str, fitted: list[Row]) -> str:
    start = f'{panel}: "{CLAIM}"'
    anchor = next((each for each in fitted if each["control"] == NONE), None)
    if anchor is None or _verdict(anchor) != "fitted":
        share = "not tried" if anchor is None else anchor["share"].words("{:.1%}")
        return f"{start} cannot be judged: without control random labels are not fitted ({share})"
    explicit = [each for each in fitted if each["control"] in REGULARISERS]
    others = [each for each in fitted if each["control"] not in (*REGULARISERS, NONE)]
    missing = [each for each in explicit if _verdict(each) == "not fitted"]
    verdict = (
        "is not tested: no run with dropout or weight decay"
        if not explicit
        else f"does not hold: {_listed(missing)}"
        if missing
        else "holds"
        if all(_verdict(each) == "fitted" for each in explicit)
        else "cannot be decided from these seeds"
    )
    text = f"{start} {verdict} ({len(explicit)} strengths of dropout and weight decay)"
    stopped = [each for each in others if _verdict(each) == "not fitted"]
    return f"{text}; of other controls these keep labels from being fitted: {_listed(stopped)}"


def _verdict(fitted: Row) -> str:
    """Return fitted, not fitted, or in doubt; a single run counts as exact."""
    low, high = fitted["share"].ends
    if low >= FITTED_SHARE:
        return "fitted"
    return "not fitted" if high < FITTED_SHARE else "in doubt"


def _listed(some: list[Row]) -> str:
    text = [f"{each['control_words'].replace('_', ' ')} {each['share'].value:.0%}" for each in some]
    return ", ".join(text) or "none"


def frontier_title(found: Study) -> str:
    """State how many controls significantly lower leakage."""
    helping = {each.control for panel in found.panels for each in lowering(panel)}
    tried = {each.control for panel in found.panels for each in panel.controlled}
    return f"{len(helping)} of {len(tried)} controls lower leakage somewhere; what that costs"
