"""An audit in words: verdicts, headlines, what would make one sure."""

from collections.abc import Mapping
from typing import Any

from rote.analysis.audit import membership as membership_verdicts
from rote.analysis.audit import regurgitation as regurgitation_verdicts
from rote.analysis.audit.membership import CHANCE, Membership
from rote.analysis.audit.names import named
from rote.analysis.audit.needed import (
    BOUND,
    NARROW,
    controls_missing,
    to_bound,
    to_exclude,
    to_narrow,
)
from rote.analysis.audit.regurgitation import Regurgitation
from rote.analysis.estimate import Estimate, Rate
from rote.auditing.stored import MEMBER, NONMEMBER

LEVEL_WORDS = "95 % interval"


def headlines(found: Membership, given_back: Regurgitation, facts: Mapping[str, Any]) -> list[str]:
    """For the terminal: the two verdicts, each with what it rests on."""
    return [
        f"membership: {found.verdict}. {membership_words(found, facts)} {blind_words(found)}",
        f"regurgitation: {given_back.verdict}. {' '.join(regurgitation_words(given_back, facts))}",
    ]


def membership_words(found: Membership, facts: Mapping[str, Any]) -> str:
    """The chosen score on documents that it was not chosen on."""
    return (
        f"{named(found.score, facts).name}, chosen on one half: AUROC "
        f"{estimate_words(found.auroc)} on the other half "
        f"({found.num_members:,} members, {found.num_nonmembers:,} non-members), "
        f"F1 at equal errors {estimate_words(found.quality.f1)}, largest F1 "
        f"{found.quality.largest_f1:.3f}, balanced accuracy {found.quality.balanced_accuracy:.3f}."
    )


def blind_words(found: Membership) -> str:
    """What words alone tell, and what that means for the verdict."""
    words = f"Words alone, without any model: AUROC {estimate_words(found.blind.auroc)}"
    excess = f"the model's best score exceeds them by {estimate_words(found.over_blind)}"
    if found.verdict != membership_verdicts.CONFOUNDED:
        return f"{words}; {excess}."
    return (
        f"{words}: the two sets differ by themselves, so that no score proves memorisation; "
        f"{excess}."
    )


def regurgitation_words(given_back: Regurgitation, facts: Mapping[str, Any]) -> list[str]:
    """Sentences: extraction, then canaries."""
    sentences = []
    extraction = given_back.extraction
    if extraction is None:
        sentences.append(f"Extraction was not tried: {not_tried(given_back, facts)}.")
    else:
        settings = facts["settings"]
        sentences.append(
            f"From {settings['prefix_tokens']} tokens the next {settings['suffix_tokens']} are "
            f"given back exactly for {rate_words(extraction.train)} of members and "
            f"{rate_words(extraction.heldout)} of non-members; difference "
            f"{extraction.excess.words('{:.2%}', label=LEVEL_WORDS)}."
        )
    if given_back.planted is not None:
        inserted, controls = given_back.planted.inserted, given_back.planted.controls
        sentences.append(
            f"{inserted.successes} of {inserted.trials} canaries are recited whole, "
            f"{controls.successes} of {controls.trials} controls."
        )
    return sentences


def not_tried(given_back: Regurgitation, facts: Mapping[str, Any]) -> str:
    """Why there is no rate."""
    if "extraction" in facts["skipped"]:
        return str(facts["skipped"]["extraction"])
    sides = {MEMBER: "member", NONMEMBER: "non-member"}
    empty = next(side for side, number in given_back.num_tried.items() if not number)
    settings = facts["settings"]
    return f"no {sides[empty]} has {settings['prefix_tokens'] + settings['suffix_tokens']} tokens"


def surer_of_membership(found: Membership) -> list[str]:
    """What would narrow it, exclude chance, reach a low rate: a sentence each."""
    narrow = to_narrow(found.auroc, found.num_members)
    sentences = [
        f"An AUROC known to within {NARROW} takes about {_rounded(narrow)} documents a side "
        f"({2 * found.num_members:,} were judged and calibrated on)."
    ]
    exclude = to_exclude(found.auroc, found.num_members, chance=CHANCE)
    if found.verdict == membership_verdicts.NO_EVIDENCE and exclude is not None:
        sentences.append(
            f"Were the effect as large as it seems ({found.auroc.value:.3f}), about "
            f"{_rounded(exclude)} documents a side would tell it from chance."
        )
    if found.verdict == membership_verdicts.CONFOUNDED:
        sentences.append(
            "More documents do not help here. What helps is a split at random from one source, "
            "the same dates and topics on both sides: words alone must be at chance."
        )
    if missing := controls_missing(found.blind.num_nonmembers):
        sentences.append(
            f"True positives at a false-positive rate of 0.1 % take {missing:,} more non-members."
        )
    return sentences


def surer_of_regurgitation(given_back: Regurgitation, facts: Mapping[str, Any]) -> list[str]:
    """How many documents bound a rate from above."""
    sentences = []
    extraction = given_back.extraction
    if extraction is not None and extraction.train.successes == 0:
        _, high = extraction.train.ends
        sentences.append(
            f"None of {extraction.train.trials:,} members was given back: the rate is below "
            f"{high:.2%}. To say below {BOUND:.1%} takes {to_bound():,} without a single one."
        )
    elif extraction is not None and given_back.verdict == regurgitation_verdicts.NO_EVIDENCE:
        sentences.append(
            "Members and non-members are given back alike: what can be guessed is no memory. "
            "Longer suffixes are guessed less."
        )
    settings = facts["settings"]
    if short := given_back.num_too_short[MEMBER]:
        sentences.append(
            f"{short:,} members have fewer than "
            f"{settings['prefix_tokens'] + settings['suffix_tokens']} tokens and were not tried."
        )
    if given_back.planted is None:
        sentences.append(
            "Canaries of known randomness, planted before training, tell more than any document "
            "that was found: give --canaries where there are some."
        )
    return sentences


def auroc_title(found: Membership, facts: Mapping[str, Any]) -> str:
    """The finding of the figure."""
    best = named(found.score, facts).name
    return {
        membership_verdicts.LEAKS: f"{best} tells members from non-members",
        membership_verdicts.NO_EVIDENCE: "No score tells members from non-members for certain",
        membership_verdicts.CONFOUNDED: "Words alone tell members from non-members",
    }[found.verdict]


def roc_title(found: Membership) -> str:
    """The finding at few false alarms."""
    for each in found.quality.at_false_positive_rates:
        if hasattr(each, "members_found"):
            rate = each.members_found
            return (
                f"With {each.false_positive_rate:.1%} false alarms promised, "
                f"{rate.value:.1%} of members are found"
            )
    return "Too few non-members to promise a low false-positive rate"


def estimate_words(estimate: Estimate) -> str:
    """Value and interval."""
    return estimate.words("{:.3f}", label=LEVEL_WORDS)


def rate_words(rate: Rate) -> str:
    """Count, trials, share and interval."""
    told = f"{rate.value:.2%}; {LEVEL_WORDS} {rate.span('{:.2%}')}"
    return f"{rate.successes:,} of {rate.trials:,} ({told})"


def _rounded(number: int) -> str:
    """Two digits: it is an extrapolation."""
    digits = max(0, len(str(number)) - 2)
    return f"{round(number, -digits):,}"
