"""Put an audit into words: verdicts, headlines, what more certainty takes, and the method."""

from collections.abc import Mapping
from html import escape
from typing import Any

from rote.analysis.audit.names import (
    BOUND,
    NARROW,
    controls_missing,
    named,
    to_bound,
    to_exclude_chance,
    to_narrow,
)
from rote.analysis.audit.verdicts import (
    CHANCE,
    CONFOUNDED,
    EIDETIC,
    NO_EVIDENCE,
    MembershipVerdict,
    Planted,
    Regurgitation,
)
from rote.analysis.estimate import Estimate, Rate
from rote.analysis.quantities.generations import Extraction
from rote.auditing.stored import MEMBER

LEVEL_WORDS = "95 % interval"
INTERVALS = (
    "Intervals of AUROC and F1 are bootstraps over documents, and as wide as Newcombe's (2006) "
    "and Clopper and Pearson's allow where documents are few; of rates exact (Clopper and Pearson "
    "1934), those of members found at the threshold that was chosen, not at the rate that it "
    "promises; of a difference of rates by square and add (Newcombe 1998); of mean exposure and "
    "mem_U those of means between known bounds (Learned-Miller and Thomas 2019, arXiv 1905.06208). "
    f"The verdict is leaks where the interval lies above {CHANCE}, confounded where words alone "
    "do the same by a margin (Das et al. 2024, arXiv 2406.16201). Higher scores mean member "
    "everywhere:"
)


def headlines(
    found: MembershipVerdict, given_back: Regurgitation, facts: Mapping[str, Any]
) -> list[str]:
    """Return the two verdicts with their evidence, for the terminal."""
    return [
        f"membership: {found.verdict}. {membership_words(found, facts)} {blind_words(found)}",
        f"regurgitation: {given_back.verdict}. {' '.join(regurgitation_words(given_back, facts))}",
    ]


def membership_words(found: MembershipVerdict, facts: Mapping[str, Any]) -> str:
    """Describe the chosen score on documents that did not choose it."""
    return (
        f"{named(found.score, facts).name}, chosen on one half: AUROC "
        f"{estimate_words(found.auroc)} on the other half "
        f"({found.num_members:,} members, {found.num_nonmembers:,} non-members), "
        f"F1 at equal errors {estimate_words(found.quality.f1)}, largest F1 "
        f"{found.quality.largest_f1:.3f}, balanced accuracy {found.quality.balanced_accuracy:.3f}."
    )


def blind_words(found: MembershipVerdict) -> str:
    """State the AUROC of words alone, and its consequence for the verdict."""
    words = f"Words alone, without any model: AUROC {estimate_words(found.blind.auroc)}"
    excess = f"the model's best score exceeds them by {estimate_words(found.over_blind)}"
    if found.verdict == CONFOUNDED:
        words += ": the two sets differ by themselves, so that no score proves memorisation"
    return f"{words}; {excess}."


def membership_briefly(found: MembershipVerdict, facts: Mapping[str, Any]) -> list[str]:
    """State the one interval behind the verdict, for a card."""
    words = f"Words alone, without any model: {found.blind.auroc.value:.3f}"
    if found.verdict == CONFOUNDED:
        interval = found.blind.auroc.span("{:.3f}")
        return [f"{words} ({LEVEL_WORDS} {interval}): the sets differ by themselves."]
    name = named(found.score, facts).name
    return [f"{name}: {LEVEL_WORDS} {found.auroc.span('{:.3f}')}.", f"{words}."]


def regurgitation_briefly(given_back: Regurgitation, facts: Mapping[str, Any]) -> list[str]:
    """State counts, and the interval of their difference, for a card."""
    extraction = given_back.extraction
    if extraction is None:
        return regurgitation_words(given_back, facts)
    train, heldout = extraction.train, extraction.heldout
    return [
        f"{train.successes:,} of {train.trials:,} members and {heldout.successes:,} of "
        f"{heldout.trials:,} non-members are given back; difference of the rates "
        f"{extraction.excess.span('{:.2%}')} ({LEVEL_WORDS}).",
        *_canaries(given_back),
    ]


def privacy(found: MembershipVerdict, facts: Mapping[str, Any]) -> str:
    """Explain the lower bounds on differential privacy, by the chosen score."""
    return (
        f"Bounds from below on the privacy of training, by {named(found.score, facts).name} on the "
        f"half that judges it, at delta = {found.privacy.delta:g}. A training that is "
        "(epsilon, delta)-private lets no attack make so few errors with a smaller epsilon; a "
        "stronger attack may refute a larger one. Sources: of the error rates Jagielski et al. "
        "2020, arXiv 2006.07709; of mu, Gaussian differential privacy, Nasr et al. 2023, arXiv "
        "2302.07956; of one run Steinke et al. 2023, arXiv 2305.08846, whose epsilon is that of "
        "replacing a document, up to twice that of adding one."
    )


def regurgitation_words(given_back: Regurgitation, facts: Mapping[str, Any]) -> list[str]:
    """Return sentences about extraction, then about canaries."""
    extraction, settings = given_back.extraction, facts["settings"]
    if extraction is None:
        words = f"Extraction was not tried: {not_tried(given_back, facts)}."
    else:
        words = (
            f"From {settings['prefix_tokens']} tokens the next {settings['suffix_tokens']} are "
            f"given back exactly for {rate_words(extraction.train)} of members and "
            f"{rate_words(extraction.heldout)} of non-members; difference "
            f"{extraction.excess.words('{:.2%}', label=LEVEL_WORDS)}."
        )
    return [words, *_canaries(given_back)]


def _canaries(given_back: Regurgitation) -> list[str]:
    if given_back.planted is None:
        return []
    inserted, controls = given_back.planted.inserted, given_back.planted.controls
    return [
        f"{inserted.successes} of {inserted.trials} canaries are recited whole, "
        f"{controls.successes} of {controls.trials} controls."
    ]


def not_tried(given_back: Regurgitation, facts: Mapping[str, Any]) -> str:
    """Explain why there is no rate of extraction."""
    if "extraction" in facts["skipped"]:
        return str(facts["skipped"]["extraction"])
    empty = next(name for name, number in given_back.num_tried.items() if not number)
    set_name = "member" if empty == MEMBER else "non-member"
    return f"no {set_name} has {_asked(facts)} tokens"


def _asked(facts: Mapping[str, Any]) -> int:
    """Return the tokens that a document needs for extraction."""
    return int(facts["settings"]["prefix_tokens"] + facts["settings"]["suffix_tokens"])


def extraction_words(extraction: Extraction, facts: Mapping[str, Any]) -> str:
    """Describe how extraction is tried, and the difference of both rates."""
    settings = facts["settings"]
    return (
        f"The model reads the first {settings['prefix_tokens']} tokens of a document and gives "
        f"the likeliest token {settings['suffix_tokens']} times; it counts where all are right "
        "(Carlini et al. 2022, arXiv 2202.07646). The rate of non-members is what can be guessed. "
        f"Difference of the rates: {extraction.excess.value:.3%}, {LEVEL_WORDS} "
        f"{extraction.excess.span('{:.3%}')}."
    )


def eidetic(given_back: Regurgitation, num_extracted: int) -> str:
    """State how many member documents hold the extracted suffixes."""
    counts = ", ".join(f"{given_back.eidetic[k]:,} in at most {k:,}" for k in EIDETIC)
    return (
        f"Of the {num_extracted:,} suffixes of members, so many stand in how many "
        f"member documents, duplicates too: {counts}. The fewer hold it, the less does repetition "
        "excuse it (k-eidetic memorisation: Carlini et al. 2021, arXiv 2012.07805)."
    )


def controls(planted: Planted) -> tuple[bool, str]:
    """Return whether controls are at chance, and a sentence about it."""
    chance = planted.chance
    if chance is None:
        return False, (
            "The manifest has no controls: nothing shows that these exposures are not chance."
        )
    low, high = chance.range_bits
    words = (
        f"Controls expose {chance.mean_bits:.2f} bits on average; chance puts that mean between "
        f"{low:.2f} and {high:.2f}"
    )
    wrong = ": something is wrong with the canaries or with this audit."
    return chance.holds, words + (", as it should be." if chance.holds else wrong)


def surer_of_membership(found: MembershipVerdict) -> list[str]:
    """Say in a sentence each how to narrow the interval, exclude chance and reach a low rate."""
    narrow = to_narrow(found.auroc, found.num_members)
    sentences = [
        f"An AUROC known to within {NARROW} takes about {_rounded(narrow)} documents a side "
        f"({found.blind.num_members:,} were judged and calibrated on)."
    ]
    exclude = to_exclude_chance(found.auroc, found.num_members)
    if found.verdict == NO_EVIDENCE and exclude is not None:
        sentences.append(
            f"Were the effect as large as it seems ({found.auroc.value:.3f}), about "
            f"{_rounded(exclude)} documents a side would tell it from chance."
        )
    if found.verdict == CONFOUNDED:
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
    """Say how many documents bound a rate from above."""
    sentences = []
    extraction = given_back.extraction
    if extraction is not None and extraction.train.successes == 0:
        _, high = extraction.train.ends
        sentences.append(
            f"None of {extraction.train.trials:,} members was given back: the rate is below "
            f"{high:.2%}. To say below {BOUND:.1%} takes {to_bound():,} without a single one."
        )
    elif extraction is not None and given_back.verdict == NO_EVIDENCE:
        sentences.append(
            "Members and non-members are given back alike: what can be guessed is no memory. "
            "Longer suffixes are guessed less."
        )
    if short := given_back.num_too_short[MEMBER]:
        sentences.append(
            f"{short:,} members have fewer than {_asked(facts)} tokens and were not tried."
        )
    if given_back.planted is None:
        sentences.append(
            "Canaries of known randomness, planted before training, prove more than any document "
            "that was found: give --canaries where there are some."
        )
    return sentences


def start_warnings(facts: Mapping[str, Any]) -> list[str]:
    """Warn of models whose tokeniser and configuration name different start tokens."""
    models = [facts["model"], *facts["references"]]
    return [
        f"{each['name']}: {each['start_token_note']}" for each in models if each["start_token_note"]
    ]


def unused_weights(model: Mapping[str, Any]) -> str:
    """Name, in HTML, the weights that a model's folder stores needlessly."""
    names = ", ".join(f"<code>{escape(name)}</code>" for name in model["unused_weights"])
    return (
        f"Stored in {escape(model['name'])} and not used, since they are made from the "
        f"configuration or declared needless by the architecture: {names}."
    )


def cut(facts: Mapping[str, Any]) -> str:
    """Say what counts as a document, and which were set aside."""
    words = (
        f"A document is cut to {facts['max_tokens']:,} tokens, and two that are equal in them "
        "count as one. A document in both sets would have been refused."
    )
    if not facts["aside"]:
        return words
    return (
        f"{words} {facts['aside']:,} non-members were set aside for scores that need known ones "
        "(prefixes, a population, tokens to draw from); no score is evaluated on them."
    )


def how_computed(facts: Mapping[str, Any]) -> str:
    """Say how each number is computed."""
    return (
        "Every token is scored, the first one behind the start token "
        f"{facts['model']['start_token']}, in float32, summed in float64; weights and products in "
        f"{facts['settings']['precision']} on {facts['settings']['device']}. Documents are halved: "
        "the score of the verdict and every threshold are chosen on one half, and counted on the "
        "other. A threshold makes both classes' errors equal, so that F1 is one half where a score "
        f"knows nothing. {INTERVALS}"
    )


def estimate_words(estimate: Estimate) -> str:
    """Format value and interval."""
    return estimate.words("{:.3f}", label=LEVEL_WORDS)


def rate_words(rate: Rate) -> str:
    """Format count, trials, share and interval."""
    share = f"{rate.value:.2%}; {LEVEL_WORDS} {rate.span('{:.2%}')}"
    return f"{rate.successes:,} of {rate.trials:,} ({share})"


def _rounded(number: int) -> str:
    """Round to two digits, because the number is an extrapolation."""
    digits = max(0, len(str(number)) - 2)
    return f"{round(number, -digits):,}"
