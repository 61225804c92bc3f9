"""Findings on membership in words: the law, and the scores compared."""

from collections.abc import Sequence

from rote.analysis.estimate import Rate
from rote.analysis.fits.membership_law import MembershipLaw, NoMembershipLaw, Reading
from rote.analysis.quantities.membership import TooFewControls
from rote.analysis.reports.leakage.law import MIDDLE, Fitted, crossing
from rote.analysis.reports.leakage.points import Scored
from rote.analysis.reports.leakage.study import Study

SCORE_NAMES = {
    "loss": "loss",
    "zlib": "zlib",
    "lowercase": "lower case",
    "min_k": "Min-K%",
    "min_k_plus_plus": "Min-K%++",
    "reference": "reference (oracle)",
    "lira_online": "LiRA online, a variance each",
    "lira_online_fixed": "LiRA online, one variance",
    "lira_offline": "LiRA offline, a variance each",
    "lira_offline_fixed": "LiRA offline, one variance",
    "rmia_online": "RMIA online",
    "rmia_offline": "RMIA offline",
}
BOUND = " is at the bound of the fit"
RATIO_NAMES = {
    Reading.SAMPLES_PER_PARAMETER: "|D| / P",
    Reading.CAPACITY_BITS_PER_SAMPLE: "C / |D|",
}


def score_name(name: str) -> str:
    """In words; a score that nobody named here under its own name."""
    return SCORE_NAMES.get(name, name)


def sentence(words: str) -> str:
    """With a capital at its beginning."""
    return words[:1].upper() + words[1:]


def law_line(fitted: Fitted) -> str:
    """The law with its errors, where it is halfway, and what it tends to."""
    name = RATIO_NAMES[fitted.reading]
    if isinstance(fitted.law, NoMembershipLaw):
        return f"Membership law in {name}: none, {fitted.law.reason}"
    curve, published = fitted.law.curve, fitted.published
    assert fitted.check is not None
    bounds = "".join(f"; {each}{BOUND}" for each in fitted.law.at_bounds)
    return (
        f"Membership law in {name}: height {curve.height:.2f} +- {fitted.law.height_error:.2f}, "
        f"slope {curve.slope:.3g} +- {fitted.law.slope_error:.2g}, offset {curve.offset:.2f} +- "
        f"{fitted.law.offset_error:.2f} (published {published.height:.3g}, {published.slope:.3g}, "
        f"{published.offset:.3g}){bounds}; {halfway(fitted)}; F1 tends to "
        f"{fitted.check.limit:.3f}. F1 is at equal errors here; how the published one got its "
        "threshold is not stated"
    )


def halfway(fitted: Fitted) -> str:
    """Where F1 is `MIDDLE`, fitted and published."""
    assert isinstance(fitted.law, MembershipLaw)
    here, there = crossing(fitted.law.curve), crossing(fitted.published)
    where = "nowhere" if here is None else f"at {RATIO_NAMES[fitted.reading]} = {here:.3g}"
    least, greatest = fitted.ratios
    beyond = here is not None and not least <= here <= greatest
    return (
        f"F1 is {MIDDLE} {where}{', beyond these runs,' * beyond} "
        f"(published {'nowhere' if there is None else f'{there:.3g}'})"
    )


def law_title(found: Study) -> str:
    """The fall that was seen."""
    runs = found.laws[0].runs.sort("ratio")
    first, last = runs.row(0, named=True), runs.row(-1, named=True)
    if first["ratio"] == last["ratio"]:
        f1 = runs["f1"].to_numpy().mean()
        return f"F1 of the loss attack is {f1:.2f} at {first['ratio']:.2g} samples a parameter"
    moved = "goes" if first["f1"] < last["f1"] else "falls"
    return (
        f"F1 of the loss attack {moved} from {first['f1']:.2f} at {first['ratio']:.2g} samples a "
        f"parameter to {last['f1']:.2f} at {last['ratio']:.2g}"
    )


def law_check(fitted: Fitted) -> str:
    """What was looked at numerically."""
    if fitted.check is None:
        return ""
    check = fitted.check
    way = "never rises" if check.never_rises else "rises"
    return (
        f"In {RATIO_NAMES[fitted.reading]}: as |D| grows F1 tends to {check.limit:.4f} (at 1e18 "
        f"samples it is {check.at_endless:.4f}) and {way} "
        f"on the way: {'as it must' if check.holds else 'this is no membership law'}."
    )


def beyond_line(fitted: Fitted) -> str:
    """Whether the published points lie among the runs."""
    beyond = sum(each.is_beyond for each in fitted.forecasts)
    sizes = fitted.runs["parameters"].to_list()
    larger = sum(
        not min(sizes) <= each.observed.parameters <= max(sizes) for each in fitted.forecasts
    )
    least, greatest = map(_short, fitted.ratios)
    number = len(fitted.forecasts)
    return (
        f"The runs have {RATIO_NAMES[fitted.reading]} from {least} to {greatest} and "
        f"{min(sizes):,} to {max(sizes):,} parameters. Of the {number} published points {beyond} "
        f"lie beyond their ratios and {larger} beyond their sizes: there the law is extrapolated."
    )


def doubts(fitted: Fitted) -> list[str]:
    """Constants at their bounds, and how far sizes differ."""
    law, name = fitted.law, RATIO_NAMES[fitted.reading]
    if not isinstance(law, MembershipLaw):
        return []
    said = [f"In {name}: {each}{BOUND}, and the errors say little." for each in law.at_bounds]
    if law.num_sizes == 1:
        said.append(f"In {name}: runs of one size; that others follow this law is not shown.")
    elif law.between_sizes is not None:
        said.append(
            f"In {name}: sizes differ by {law.between_sizes:.3f} in F1 (standard deviation) beyond "
            f"the noise of runs; band and errors take the {law.num_sizes} sizes for a sample."
        )
    return said


def _short(ratio: float) -> str:
    return f"{ratio:.3g}" if ratio < 1000 else f"{ratio:,.0f}"


def best(points: Sequence[Scored]) -> Scored:
    """The highest AUROC; the largest size and least N win ties."""
    return max(reversed(points), key=lambda each: each.auroc.value)


def scores_title(found: Study) -> str:
    """The best of one model's scores, over all sizes and N that every score has."""
    means = mean_aurocs(found.scored)
    if not means:
        return f"Scores of single models at {len(found.scored)} places, no two alike"
    top = max(means, key=lambda name: means[name])
    beside = "" if top == "loss" or "loss" not in means else f", loss {means['loss']:.3f}"
    return (
        f"{sentence(score_name(top))} tells members best: mean AUROC {means[top]:.3f}{beside}, "
        "over sizes and N"
    )


def mean_aurocs(points: Sequence[Scored]) -> dict[str, float]:
    """Of each score, over the places that have all of them."""
    names = dict.fromkeys(each.score for each in points)
    at: dict[tuple[str, int], dict[str, float]] = {}
    for each in points:
        place = (each.place.series, each.place.num_sequences)
        at.setdefault(place, {})[each.score] = each.auroc.value
    whole = [scores for scores in at.values() if len(scores) == len(names)]
    return {name: sum(s[name] for s in whole) / len(whole) for name in names} if whole else {}


def rate_line(found: Study) -> str:
    """Members that the loss, or whatever there is, finds where its AUROC is the highest."""
    losses = [each for each in found.scored if each.score == "loss"]
    top = best(losses or found.scored)
    told = "; ".join(
        f"at {name} false positives {_found(top, which)}"
        for which, name in enumerate(("1 %", "0.1 %"))
    )
    place = f"{top.place.series} at N = {top.place.num_sequences:,}"
    return f"{sentence(score_name(top.score))}, {place}: AUROC {top.auroc.value:.3f}; {told}"


def _found(point: Scored, which: int) -> str:
    rate = point.members_found(which)
    if isinstance(rate, TooFewControls):
        return f"refused ({rate.reason})"
    return f"{rate.value:.1%} of members"


def shadows_title(found: Study) -> str:
    """The best score that knows other models, beside the loss on the same samples."""
    points = [each for each in found.shadowed if isinstance(each, Scored)]
    means = mean_aurocs(points)
    if not means:
        return "Scores beside shadow models at different places"
    top = max(means, key=lambda name: means[name])
    numbers = {len(each.place.run_ids) - 1 for each in points}
    shadows = " or ".join(map(str, sorted(numbers)))
    return (
        f"With {shadows} shadow model(s), {score_name(top)} reaches mean AUROC {means[top]:.3f}; "
        f"loss alone {means['loss']:.3f}"
    )


def found_words(rate: Rate | TooFewControls) -> tuple[str, str]:
    """A rate and its interval, or the refusal and its reason."""
    if isinstance(rate, TooFewControls):
        return "refused", rate.reason
    return f"{rate.value:.1%}", rate.span("{:.1%}")
