"""Build the page of an audit: verdicts, figures, all scores, regurgitated text and sources."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rote.analysis.audit import duplicates, wording
from rote.analysis.audit.figures import BLIND_NAME, aurocs, roc, tradeoff
from rote.analysis.audit.names import named
from rote.analysis.audit.verdicts import (
    CONFOUNDED,
    LEAKS,
    REGURGITATES,
    MembershipVerdict,
    Planted,
    Regurgitation,
)
from rote.analysis.estimate import Rate
from rote.analysis.page import Block, Card, Content, Heading, Section, Text
from rote.analysis.quantities.exposure import FEWEST_IN_GROUP
from rote.analysis.quantities.membership import (
    FALSE_POSITIVE_RATES,
    LOSS_TAIL_RATE,
    MembershipQuality,
    TooFewControls,
)
from rote.analysis.table import Cell, Column, Table, warning
from rote.auditing.stored import MEMBER, NONMEMBER, StoredAudit

WARNINGS = {LEAKS, CONFOUNDED, REGURGITATES}
SETS = {MEMBER: "members", NONMEMBER: "non-members"}
TITLES = {"members": "members", "nonmembers": "non-members"}
LEFT_OUT = {
    "rows": "lines or rows",
    "empty": "empty",
    "too_short": "fewer than two tokens",
    "duplicates": "equal to an earlier one",
    "scored": "scored",
    "truncated": "of these, cut to the limit",
}
# Captions of tables; those of bits are in HTML.
SAMPLED = (
    "Columns n: documents whose rest is among n drawn ones with a chance of one half or more, "
    "at temperature 1 from the whole vocabulary ((n, p)-discoverable extraction: Hayes et al. "
    "2024, arXiv 2410.19482), computed from the forward pass, nothing is drawn."
)
UNINTENDED = (
    "How many bits the model saves on a document beyond what the reference knows: "
    "mem_U(x) = max(0, log<sub>2</sub> p(x | model) - log<sub>2</sub> p(x | reference)), on "
    "whole documents (Morris et al. 2025, arXiv 2505.24832, section 2). It stays a bound from "
    "below. What non-members have is skill that the reference lacks: members are to be read "
    "against them."
)
EXPOSURE = (
    "How far up a canary's secret ranks among all that could stand in its place, "
    "log<sub>2</sub> |R| - log<sub>2</sub> rank, or among references drawn from them, which "
    "bounds it (Carlini et al. 2018, arXiv 1802.08232). A guess exposes 1.44 bits."
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """All findings of an audit."""

    membership: MembershipVerdict
    regurgitation: Regurgitation
    unintended: Sequence[Mapping[str, Any]]  # a row per reference
    by_duplicates: Sequence[duplicates.AtDuplicates] = ()  # none: not known


def content(found: Found, stored: StoredAudit, numbers: Mapping[str, Any]) -> Content:
    """Build the content of an audit's page; ``numbers`` are the contents of audit.json."""
    facts, planted = stored.facts, found.regurgitation.planted
    surer = {
        "Of membership": wording.surer_of_membership(found.membership),
        "Of regurgitation": wording.surer_of_regurgitation(found.regurgitation, facts),
    }
    lists = [
        block
        for title, sentences in surer.items()
        if sentences
        for block in (Heading(title), Text(items=sentences))
    ]
    sections = [
        _audited(facts),
        _membership(found.membership, stored),
        _privacy(found.membership, facts),
        *([_unintended(found.unintended)] if found.unintended else []),
        *([duplicates.section(found.by_duplicates, facts)] if found.by_duplicates else []),
        _extraction(found.regurgitation, facts),
        *([_exposure(planted)] if planted is not None else []),
        Section("What it would take to be sure", lists),
        _sources(found.membership, facts),
    ]
    return Content(
        headlines=(
            *wording.headlines(found.membership, found.regurgitation, facts),
            *duplicates.headline(found.by_duplicates),
        ),
        setting=_setting(facts),
        cards=tuple(_cards(found, facts, [sentences[:1] for sentences in surer.values()])),
        lead=aurocs(found.membership, facts),
        sections=tuple(sections),
        numbers=numbers,
        table=stored.scores,
    )


def _setting(facts: Mapping[str, Any]) -> str:
    model, settings = facts["model"], facts["settings"]
    return (
        f"{model['kind']}, {model['parameters']:,} parameters, in {settings['precision']}; "
        f"{facts['members']['scored']:,} members of {facts['members']['file']} against "
        f"{facts['nonmembers']['scored']:,} non-members of {facts['nonmembers']['file']}."
    )


def _cards(
    found: Found, facts: Mapping[str, Any], surer: Sequence[Sequence[str]]
) -> Iterator[Card]:
    membership, regurgitation = found.membership, found.regurgitation
    extraction = regurgitation.extraction
    yield Card(
        title="Membership",
        meaning="can documents it was trained on be told from others?",
        value=membership.verdict,
        unit=f"AUROC {membership.auroc.value:.3f}",
        lines=[*map(Text, [*wording.membership_briefly(membership, facts), *surer[0]])],
        is_warning=membership.verdict in WARNINGS,
    )
    yield Card(
        title="Regurgitation",
        meaning="does it give back what it was trained on, word for word?",
        value=regurgitation.verdict,
        unit="" if extraction is None else f"{extraction.train.value:.2%} of members",
        lines=[*map(Text, [*wording.regurgitation_briefly(regurgitation, facts), *surer[1]])],
        is_warning=regurgitation.verdict in WARNINGS,
    )


def _audited(facts: Mapping[str, Any]) -> Section:
    """List the models, the documents, and what was left out of them."""
    models = [{"role": "audited", **facts["model"]}]
    models += [{"role": "reference", **each} for each in facts["references"]]
    columns = [
        Column("model", "name"), *(Column(key, key) for key in ("role", "kind", "parameters")),
        Column("context", "max_length", unit="tokens", missing="no bound"),
    ]  # fmt: skip
    documents = [{"set": title, **facts[key]} for key, title in TITLES.items()]
    counts = [
        *(Column(key, key) for key in ("set", "file")),
        *(Column(title, key) for key, title in LEFT_OUT.items()),
    ]
    blocks: list[Block] = [Table(columns=columns, rows=models)]
    blocks += [Text(f"{each}.", is_warning=True) for each in wording.start_warnings(facts)]
    blocks += [
        Text(wording.unused_weights(each), is_html=True)
        for each in models
        if each["unused_weights"]
    ]
    blocks += [
        Heading("Documents"), Table(columns=counts, rows=documents), Text(wording.cut(facts)),
    ]  # fmt: skip
    return Section("What was audited", blocks)


def _membership(found: MembershipVerdict, stored: StoredAudit) -> Section:
    facts = stored.facts
    rows = [(named(name, facts).name, name, quality) for name, quality in found.qualities.items()]
    rows.append((BLIND_NAME, "", found.blind))
    columns = [
        Column("score", lambda row: (row[0], "chosen" if row[1] == found.score else "")),
        Column("AUROC", lambda row: row[2].auroc, unit="95 % interval", form="{:.3f}"),
        Column("F1", lambda row: row[2].f1, unit="at equal errors, 95 % interval", form="{:.3f}"),
        Column("balanced accuracy", lambda row: (row[2].balanced_accuracy, f"precision "
               f"{row[2].precision:.3f}, recall {row[2].recall:.3f}"), unit="at equal errors",
               form="{:.3f}"),
        Column("largest F1", lambda row: row[2].largest_f1, unit="2/3 by chance", form="{:.3f}"),
        *(
            Column(f"members found at {rate:.1%}", partial(_found_at, place),
                   unit="false positives", form="{:.2%}")
            for place, rate in enumerate(FALSE_POSITIVE_RATES)
        ),
        Column(f"non-members excluded at {LOSS_TAIL_RATE:.1%}", _excluded,
               unit="members missed", form="{:.2%}"),
    ]  # fmt: skip
    skipped = [f"{named(name, facts).name}: {reason}" for name, reason in facts["skipped"].items()]
    blocks: list[Block] = [
        Text(wording.membership_words(found, facts)), Text(wording.blind_words(found)),
        roc(found, stored), Table(columns=columns, rows=rows),
    ]  # fmt: skip
    if skipped:
        blocks.append(Text("Not measured:", items=skipped))
    return Section("Membership", blocks)


def _found_at(place: int, row: tuple[str, str, MembershipQuality]) -> Cell | Rate:
    found = row[2].at_false_positive_rates[place]
    return _needed(found) if isinstance(found, TooFewControls) else found.members_found


def _excluded(row: tuple[str, str, MembershipQuality]) -> Cell | Rate:
    found = row[2].nonmembers_excluded
    return _needed(found, "members") if isinstance(found, TooFewControls) else found


def _needed(found: TooFewControls, noun: str = "non-members") -> Cell:
    return warning(f"takes {found.controls_needed:,}", noun)


def _privacy(found: MembershipVerdict, facts: Mapping[str, Any]) -> Section:
    """List the lower bounds, each with what it takes for granted."""
    rows = [
        ("epsilon", found.privacy.epsilon, "scores independent"),
        ("mu", found.privacy.mu, "the same, and noise that acts as a Gaussian"),
        ("epsilon, from mu", found.privacy.epsilon_by_mu, "the same"),
        ("epsilon, one run", found.privacy.epsilon_one_run, "members and non-members drawn alike"),
    ]
    columns = [
        Column("bound", lambda row: row[0]), Column("if", lambda row: row[2]),
        Column("at least", lambda row: row[1], unit="95 % confidence", form="{:.2f}"),
    ]  # fmt: skip
    words, table = Text(wording.privacy(found, facts)), Table(columns=columns, rows=rows)
    return Section("Differential privacy", [words, tradeoff(found), table])


def _unintended(found: Sequence[Mapping[str, Any]]) -> Section:
    """List the bits of members and of non-members for each reference."""
    rows = [
        {"name": each["name"], "set": title, **each[key]}
        for each in found
        for key, title in TITLES.items()
    ]
    columns = [
        Column("reference", "name"), Column("set", "set"), Column("documents", "num_documents"),
        Column("mem_U", "mean_bits", unit="bits a document, max code, 95 % interval",
               form="{:.2f}"),
        Column("sum, max code", "max_code_bits", unit="bits", form="{:,.0f}"),
        Column("sum, mixture code", "mixture_code_bits", unit="bits", form="{:,.0f}"),
    ]  # fmt: skip
    words = Text(UNINTENDED, is_html=True)
    return Section("Unintended memorisation", [words, Table(columns=columns, rows=rows)])


def _extraction(given_back: Regurgitation, facts: Mapping[str, Any]) -> Section:
    """List the rates of both sets, and how many documents hold what was regurgitated."""
    extraction = given_back.extraction
    if extraction is None:
        words = Text(f"Not measured: {wording.not_tried(given_back, facts)}.")
        return Section("Extraction", [words])
    rates = {MEMBER: extraction.train, NONMEMBER: extraction.heldout}
    columns = [
        Column("set", SETS.get),
        Column("tried", lambda document_set: rates[document_set].trials),
        Column("too short", given_back.num_too_short.get),
        Column("given back", partial(_count, rates), unit="95 % interval"),
        *(
            Column(f"n = {number:,}", partial(_count, document_sets), unit="95 % interval")
            for number, document_sets in given_back.discoverable.items()
        ),
    ]  # fmt: skip
    blocks: list[Block] = [
        Text(wording.extraction_words(extraction, facts)),
        Table(columns=columns, rows=list(SETS)), Text(SAMPLED),
    ]  # fmt: skip
    if extraction.train.successes:
        blocks.append(Text(wording.eidetic(given_back, extraction.train.successes)))
    return Section("Extraction", blocks)


def _count(rates: Mapping[Any, Rate], of: Any, form: str = "{:.2%}") -> tuple[int, str]:
    return rates[of].successes, rates[of].span(form)


def _exposure(planted: Planted) -> Section:
    """Compare canaries, by number of repeats, with controls and with chance."""
    columns = [
        Column("repeats", lambda times: times, unit="0: controls"),
        Column("canaries", lambda times: planted.at_repeats[times].n),
        Column("mean exposure", planted.at_repeats.get, form="{:.2f}",
               unit=f"bits, 95 % interval from {FEWEST_IN_GROUP} canaries on"),
        Column("recited whole", partial(_count, planted.extracted, form="{:.1%}"),
               unit="95 % interval"),
    ]  # fmt: skip
    rows = list(planted.at_repeats)
    holds, words = wording.controls(planted)
    table, text = Table(columns=columns, rows=rows), Text(EXPOSURE, is_html=True)
    return Section("Exposure", [text, table, Text(words, is_warning=not holds)])


def _sources(found: MembershipVerdict, facts: Mapping[str, Any]) -> Section:
    known = [named(name, facts) for name in found.qualities]
    items = [f"{each.name}: {each.meaning} ({each.source})" for each in known]
    words = Text(wording.how_computed(facts), items=items)
    return Section("How it was computed", [words])
