"""The parts of an audit's page: every number, what it would take to be sure, every source."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from rote.analysis.audit.membership import CHANCE, Membership
from rote.analysis.audit.names import named
from rote.analysis.audit.regurgitation import EIDETIC, Planted, Regurgitation
from rote.analysis.audit.unintended import SideUnintended, UnderReference
from rote.analysis.content import Section
from rote.analysis.drawing import Drawing
from rote.analysis.elements import (
    estimate_cell,
    figure,
    number_cell,
    scrolled,
    table,
    text_cell,
)
from rote.analysis.estimate import Rate
from rote.analysis.quantities.exposure import FEWEST_IN_GROUP
from rote.analysis.quantities.membership import (
    FALSE_POSITIVE_RATES,
    MembershipQuality,
    RateAtFalsePositives,
    TooFewControls,
)
from rote.auditing.stored import MEMBER, NONMEMBER

SAMPLED = (
    "Columns n: documents whose rest is among n drawn ones with a chance of one half or more, "
    "at temperature 1 from the whole vocabulary ((n, p)-discoverable extraction: Hayes et al. "
    "2024, arXiv 2410.19482), computed from the forward pass, nothing is drawn."
)
AUROC_CAPTION = (
    "All evaluated documents, 95 % intervals. The band is what words alone reach: naive "
    "Bayes on a bag of words, cross-validated, which never saw the model. A score inside of it "
    "says no more of the model than the texts say by themselves. Scores to the left of chance "
    "call non-members members."
)
ROC_CAPTION = (
    "True-positive rate against false-positive rate, both logarithmic, since a leak of few members "
    "shows at the left alone. The curve runs over all evaluated documents; the table has rates at "
    "thresholds that were chosen on one half and counted on the other."
)


def membership_section(
    found: Membership, drawings: Sequence[Drawing], facts: Mapping[str, Any]
) -> Section:
    """Figures, then every score."""
    aurocs, roc = drawings
    headers = [
        ("score", ""),
        ("AUROC", "95 % interval"),
        ("F1", "at equal errors, 95 % interval"),
        ("balanced accuracy", "at equal errors"),
        ("largest F1", "2/3 by chance"),
        *((f"members found at {rate:.1%}", "false positives") for rate in FALSE_POSITIVE_RATES),
    ]
    rows = [
        _score_cells(named(name, facts).name, quality, chosen=name == found.score)
        for name, quality in found.qualities.items()
    ]
    rows.append(_score_cells("words alone, no model", found.blind, chosen=False))
    made = scrolled(table(headers, rows, text=("score",)))
    html = "\n".join(
        [figure(aurocs, AUROC_CAPTION), figure(roc, ROC_CAPTION), made, _skipped(facts)]
    )
    return Section(title="Membership", html=html)


def _score_cells(name: str, quality: MembershipQuality, *, chosen: bool) -> list[str]:
    return [
        f'<td class="text">{escape(name)}<small>{"chosen" if chosen else ""}</small></td>',
        estimate_cell(quality.auroc, "{:.3f}"),
        estimate_cell(quality.f1, "{:.3f}"),
        number_cell(f"{quality.balanced_accuracy:.3f}"),
        number_cell(f"{quality.largest_f1:.3f}"),
        *map(_rate_cell, quality.at_false_positive_rates),
    ]


def _rate_cell(found: RateAtFalsePositives | TooFewControls) -> str:
    if isinstance(found, TooFewControls):
        return f'<td class="bound">takes {found.controls_needed:,}<small>non-members</small></td>'
    return estimate_cell(found.members_found, "{:.2%}")


def _skipped(facts: Mapping[str, Any]) -> str:
    if not facts["skipped"]:
        return ""
    items = "".join(
        f"<li>{escape(named(name, facts).name if name != 'extraction' else 'Extraction')}: "
        f"{escape(reason)}</li>"
        for name, reason in facts["skipped"].items()
    )
    return f"<p>Not measured:</p>\n<ul>{items}</ul>"


def unintended_section(found: Sequence[UnderReference]) -> Section:
    """Bits of members and of non-members, for each reference."""
    headers = [
        ("reference", ""),
        ("set", ""),
        ("documents", ""),
        ("mem_U", "bits a document, max code, 95 % interval"),
        ("sum, max code", "bits"),
        ("sum, mixture code", "bits"),
    ]
    rows = [
        cells
        for each in found
        for cells in (
            _side_cells(each.name, "members", each.members),
            _side_cells(each.name, "non-members", each.nonmembers),
        )
    ]
    words = (
        "<p>How many bits the model saves on a document beyond what the reference knows: "
        "mem_U(x) = max(0, log<sub>2</sub> p(x | model) - log<sub>2</sub> p(x | reference)), on "
        "whole documents (Morris et al. 2025, arXiv 2505.24832, section 2). It stays a bound from "
        "below. What non-members have is skill that the reference lacks: members are to be read "
        "against them.</p>"
    )
    made = scrolled(table(headers, rows, text=("reference", "set")))
    return Section(title="Unintended memorisation", html=f"{words}\n{made}")


def _side_cells(reference: str, name: str, side: SideUnintended) -> list[str]:
    return [
        text_cell(reference),
        text_cell(name),
        number_cell(f"{side.num_documents:,}"),
        estimate_cell(side.mean_bits, "{:.2f}"),
        number_cell(f"{side.max_code_bits:,.0f}"),
        number_cell(f"{side.mixture_code_bits:,.0f}"),
    ]


def extraction_section(given_back: Regurgitation, facts: Mapping[str, Any]) -> Section:
    """Rates of both sets, and in how many documents what was given back stands."""
    settings, extraction = facts["settings"], given_back.extraction
    if extraction is None:
        reason = facts["skipped"].get("extraction", "one of the sets has no document long enough")
        return Section(title="Extraction", html=f"<p>Not measured: {escape(reason)}.</p>")
    headers = [
        ("set", ""),
        ("tried", ""),
        ("too short", ""),
        ("given back", "95 % interval"),
        *((f"n = {number:,}", "95 % interval") for number in given_back.discoverable),
    ]
    rows = [
        [
            text_cell(name),
            number_cell(f"{rate.trials:,}"),
            number_cell(f"{given_back.num_too_short[key]:,}"),
            *map(_share_cell, (rate, *(sides[key] for sides in given_back.discoverable.values()))),
        ]
        for name, key, rate in (
            ("members", MEMBER, extraction.train),
            ("non-members", NONMEMBER, extraction.heldout),
        )
    ]
    words = (
        f"<p>The model reads the first {settings['prefix_tokens']} tokens of a document and says "
        f"the likeliest token {settings['suffix_tokens']} times; it counts where all are right "
        "(Carlini et al. 2022, arXiv 2202.07646). Non-members tell what can be guessed. "
        f"Difference of the rates: {extraction.excess.value:.3%}, 95 % interval "
        f"{extraction.excess.span('{:.3%}')}.</p>"
    )
    made = scrolled(table(headers, rows, text=("set",)))
    parts = [words, made, f"<p>{SAMPLED}</p>", _eidetic(given_back)]
    return Section(title="Extraction", html="\n".join(parts))


def _share_cell(rate: Rate) -> str:
    return number_cell(f"{rate.successes:,}", rate.span("{:.2%}"))


def _eidetic(given_back: Regurgitation) -> str:
    extraction = given_back.extraction
    if extraction is None or not extraction.train.successes:
        return ""
    told = ", ".join(f"{given_back.eidetic[k]:,} in at most {k:,}" for k in EIDETIC)
    return (
        f"<p>Of the {extraction.train.successes:,} suffixes of members, so many stand in how many "
        f"member documents, duplicates too: {told}. The fewer hold it, the less does repetition "
        "excuse it (k-eidetic memorisation: Carlini et al. 2021, arXiv 2012.07805).</p>"
    )


def exposure_section(planted: Planted) -> Section:
    """Canaries by the number of repeats, against controls and against chance."""
    headers = [
        ("repeats", "0: controls"),
        ("canaries", ""),
        ("mean exposure", f"bits, 95 % interval from {FEWEST_IN_GROUP} canaries on"),
        ("recited whole", "95 % interval"),
    ]
    rows = [
        [
            number_cell(f"{each.repeats:,}"),
            number_cell(f"{each.exposure_bits.n:,}"),
            estimate_cell(each.exposure_bits, "{:.2f}"),
            number_cell(f"{rate.successes:,}", rate.span("{:.1%}")),
        ]
        for each, rate in zip(planted.at_repeats, planted.extracted, strict=True)
    ]
    words = (
        "<p>How far up a canary's secret ranks among all that could stand in its place, "
        "log<sub>2</sub> |R| - log<sub>2</sub> rank, or among references drawn from them, which "
        "bounds it (Carlini et al. 2018, arXiv 1802.08232). A guess exposes 1.44 bits.</p>"
    )
    made = scrolled(table(headers, rows, text=()))
    return Section(title="Exposure", html=f"{words}\n{made}\n<p>{_controls(planted)}</p>")


def _controls(planted: Planted) -> str:
    chance = planted.chance
    if chance is None:
        return (
            '<span class="bound">The manifest has no controls: nothing shows that these exposures '
            "are not chance.</span>"
        )
    low, high = chance.range_bits
    words = (
        f"Controls expose {chance.mean_bits:.2f} bits on average; chance puts that mean between "
        f"{low:.2f} and {high:.2f}"
    )
    if chance.holds:
        return f"{words}, as it should be."
    return f'<span class="bound">{words}: something is wrong with the canaries or with us.</span>'


def sure_section(membership: Iterable[str], regurgitation: Iterable[str]) -> Section:
    """What it would take."""
    lists = [
        f"<h3>{title}</h3>\n<ul>{''.join(f'<li>{escape(each)}</li>' for each in sentences)}</ul>"
        for title, sentences in (
            ("Of membership", membership),
            ("Of regurgitation", regurgitation),
        )
        if sentences
    ]
    return Section(title="What it would take to be sure", html="\n".join(lists))


def sources_section(found: Membership, facts: Mapping[str, Any]) -> Section:
    """How each number is made."""
    items = "".join(
        f"<li>{escape(each.name)}: {escape(each.meaning)} ({escape(each.source)})</li>"
        for each in (named(name, facts) for name in found.qualities)
    )
    words = (
        "<p>Every token is scored, the first one behind the start token "
        f"{facts['model']['start_token']}, in float32, summed in float64; weights and products in "
        f"{facts['settings']['precision']} on {facts['settings']['device']}. Documents are halved: "
        "the score of the verdict and every threshold are chosen on one half, and counted on the "
        "other. A threshold makes both classes' errors equal, so that F1 is one half where a score "
        "knows nothing. Intervals of AUROC and F1 are bootstraps over documents, and as wide as "
        "Newcombe's (2006) and Clopper and Pearson's allow where documents are few; of rates exact "
        "(Clopper and Pearson 1934), those of members found at the threshold that was chosen, not "
        "at the rate that it promises; of a difference of rates by square and add (Newcombe 1998); "
        "of mean exposure and mem_U those of means between known bounds (Learned-Miller and Thomas "
        "2019, arXiv 1905.06208). "
        f"The verdict is <em>leaks</em> where the interval lies above {CHANCE}, <em>confounded</em>"
        " where words alone do the same by a margin (Das et al. 2024, arXiv 2406.16201). Higher "
        "scores mean member everywhere:</p>"
    )
    return Section(title="How it was computed", html=f"{words}\n<ul>{items}</ul>")
