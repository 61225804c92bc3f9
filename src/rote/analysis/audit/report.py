"""From what an audit stored to audit.html and audit.json; the latter is last and completes it."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from rote.analysis.audit import membership as membership_verdicts
from rote.analysis.audit import regurgitation as regurgitation_verdicts
from rote.analysis.audit.audited import audited_section
from rote.analysis.audit.figures import draw_aurocs, draw_roc
from rote.analysis.audit.membership import BLIND, Membership, judge_membership, pair_of
from rote.analysis.audit.needed import controls_missing, to_bound, to_exclude, to_narrow
from rote.analysis.audit.regurgitation import Planted, Regurgitation, judge_regurgitation
from rote.analysis.audit.sections import (
    exposure_section,
    extraction_section,
    membership_section,
    sources_section,
    sure_section,
    unintended_section,
)
from rote.analysis.audit.unintended import UnderReference, under_references
from rote.analysis.audit.wording import (
    blind_words,
    headlines,
    membership_words,
    regurgitation_words,
    surer_of_membership,
    surer_of_regurgitation,
)
from rote.analysis.content import Content, Section
from rote.analysis.elements import card
from rote.analysis.estimate import Rate
from rote.analysis.page import page
from rote.auditing.stored import SCORE_PREFIX, Stored
from rote.files import write_json, write_text
from rote.reading.files import read_json
from rote.reading.shapes import keyed, listed, text, whole

PAGE, NUMBERS = "audit.html", "audit.json"
COUNTS = ("rows", "scored", "empty", "too_short", "duplicates", "truncated")
SHAPE = keyed(
    {
        "headlines": listed(text),
        **{key: keyed(dict.fromkeys(COUNTS, whole)) for key in ("members", "nonmembers")},
    }
)
QUESTION = "What does this model give away of what it was trained on?"
BAD = {membership_verdicts.LEAKS, regurgitation_verdicts.REGURGITATES}
CLOSING = (
    "<p><code>audit.json</code> beside this page holds every number of it, with the settings and "
    "the SHA-256 of every file that was read; <code>scores.parquet</code> every score of every "
    "document by its line. Neither holds a word of the documents. The same command on the same "
    "machine gives the same numbers.</p>"
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """All that an audit says."""

    membership: Membership
    regurgitation: Regurgitation
    unintended: list[UnderReference]


def write_report(stored: Stored, folder: Path) -> None:
    """Both files, whole or not at all; raises ValueError for scores that cannot be judged."""
    found = Found(
        membership=judge_membership(stored),
        regurgitation=judge_regurgitation(stored),
        unintended=under_references(stored),
    )
    content = _content(found, stored)
    closing = Section(title="Files", html=CLOSING)
    name = f"Audit of {stored.facts['model']['name']}"
    write_text(folder / PAGE, page(name=name, question=QUESTION, content=content, closing=closing))
    write_json(folder / NUMBERS, {"headlines": list(content.headlines), **content.numbers})


def is_finished(folder: Path) -> bool:
    """The numbers are written last."""
    return os.path.lexists(folder / NUMBERS)


def read_numbers(folder: Path) -> dict[str, Any]:
    """Of a finished audit; raises Damaged."""
    return dict(read_json(folder / NUMBERS, SHAPE, "move it away and audit again"))


def _content(found: Found, stored: Stored) -> Content:
    facts = stored.facts
    pairs = {name: pair_of(stored.scores, SCORE_PREFIX + name) for name in stored.score_names}
    drawings = (
        draw_aurocs(found.membership, facts),
        draw_roc(found.membership, pairs, pair_of(stored.scores, BLIND), facts),
    )
    surer = (
        surer_of_membership(found.membership),
        surer_of_regurgitation(found.regurgitation, facts),
    )
    planted = found.regurgitation.planted
    sections = [
        audited_section(facts),
        membership_section(found.membership, drawings, facts),
        *([unintended_section(found.unintended)] if found.unintended else []),
        extraction_section(found.regurgitation, facts),
        *([exposure_section(planted)] if planted is not None else []),
        sure_section(*surer),
        sources_section(found.membership, facts),
    ]
    return Content(
        headlines=tuple(headlines(found.membership, found.regurgitation, facts)),
        setting=_setting(facts),
        cards=(
            _membership_card(found, facts, surer[0]),
            _regurgitation_card(found, facts, surer[1]),
        ),
        sections=tuple(sections),
        drawings=drawings,
        numbers=_numbers(found, facts),
        table=stored.scores,
    )


def _setting(facts: Mapping[str, Any]) -> str:
    model, settings = facts["model"], facts["settings"]
    return (
        f"{model['kind']}, {model['parameters']:,} parameters, in {settings['precision']}; "
        f"{facts['members']['scored']:,} members of {facts['members']['file']} against "
        f"{facts['nonmembers']['scored']:,} non-members of {facts['nonmembers']['file']}."
    )


def _membership_card(found: Found, facts: Mapping[str, Any], surer: list[str]) -> str:
    membership = found.membership
    return card(
        title="Membership",
        meaning="can documents it was trained on be told from others?",
        value=_value(membership.verdict),
        unit=f"AUROC {membership.auroc.value:.3f}",
        lines=_paragraphs(
            [membership_words(membership, facts), blind_words(membership), *surer[:1]]
        ),
    )


def _regurgitation_card(found: Found, facts: Mapping[str, Any], surer: list[str]) -> str:
    regurgitation = found.regurgitation
    extraction = regurgitation.extraction
    return card(
        title="Regurgitation",
        meaning="does it say what it was trained on, word for word?",
        value=_value(regurgitation.verdict),
        unit="" if extraction is None else f"{extraction.train.value:.2%} of members",
        lines=_paragraphs([*regurgitation_words(regurgitation, facts), *surer[:1]]),
    )


def _value(verdict: str) -> str:
    is_warning = verdict in BAD or verdict == membership_verdicts.CONFOUNDED
    return f'<b class="bound">{escape(verdict)}</b>' if is_warning else escape(verdict)


def _paragraphs(sentences: list[str]) -> list[str]:
    return [f"<p>{escape(sentence)}</p>" for sentence in sentences]


def _numbers(found: Found, facts: Mapping[str, Any]) -> dict[str, Any]:
    membership, regurgitation = found.membership, found.regurgitation
    extraction, planted = regurgitation.extraction, regurgitation.planted
    return {
        "membership": {
            **asdict(membership, dict_factory=_plain),
            "documents_a_side_to_narrow": to_narrow(membership.auroc, membership.num_members),
            "documents_a_side_to_exclude_chance": to_exclude(
                membership.auroc, membership.num_members, chance=membership_verdicts.CHANCE
            ),
            "nonmembers_missing": controls_missing(membership.blind.num_nonmembers),
        },
        "regurgitation": {
            "verdict": regurgitation.verdict,
            "tried": regurgitation.num_tried,
            "too_short": regurgitation.num_too_short,
            "members": None if extraction is None else _rate(extraction.train),
            "nonmembers": None if extraction is None else _rate(extraction.heldout),
            "excess": None if extraction is None else extraction.excess.value,
            "excess_interval": None if extraction is None else extraction.excess.interval,
            "discoverable": [
                {"samples": number, **{side: _rate(rate) for side, rate in sides.items()}}
                for number, sides in regurgitation.discoverable.items()
            ],
            "eidetic": {str(k): count for k, count in regurgitation.eidetic.items()},
            "documents_to_bound": to_bound(),
            "canaries": None if planted is None else _canaries(planted),
        },
        "unintended": [asdict(each, dict_factory=_plain) for each in found.unintended],
        **facts,
    }


def _plain(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """A rate as its counts, another estimate as its value and interval, the rest as it is."""
    made = dict(fields)
    if "trials" in made:
        return {name: made[name] for name in ("successes", "trials", "times_asked")}
    if "why_none" in made:
        ends = None if made["low"] is None else (made["low"], made["high"])
        return {"value": made["value"], "interval": ends}
    return made


def _rate(rate: Rate) -> dict[str, Any]:
    return {"count": rate.successes, "trials": rate.trials, "interval": rate.interval}


def _canaries(planted: Planted) -> dict[str, Any]:
    return {
        "bits": planted.exposures.bits_K.tolist(),
        "fitted_bits": planted.exposures.fitted_bits_K,  # by skew-normal; null: none fitted
        "repeats": planted.exposures.repeats_K.tolist(),
        "at_repeats": [
            {
                "repeats": each.repeats,
                "num_canaries": each.exposure_bits.n,
                "mean_bits": each.exposure_bits.value,
                "interval_bits": each.exposure_bits.interval,
                "extracted": _rate(rate),
            }
            for each, rate in zip(planted.at_repeats, planted.extracted, strict=True)
        ],
        "chance": None if planted.chance is None else asdict(planted.chance),
    }
