"""Write audit.html and audit.json from a stored audit; audit.json is last and completes it."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rote.analysis.audit.duplicates import by_duplicates
from rote.analysis.audit.names import controls_missing, to_bound, to_exclude_chance, to_narrow
from rote.analysis.audit.page import Found, content
from rote.analysis.audit.verdicts import (
    Planted,
    judge_membership,
    judge_regurgitation,
    under_references,
)
from rote.analysis.estimate import Rate
from rote.analysis.page import Section, Text
from rote.analysis.quantities.exposure import CHANCE_BITS
from rote.analysis.report import write_page
from rote.auditing.stored import StoredAudit
from rote.io.read import read_json
from rote.io.shapes import keyed, listed, text, whole
from rote.io.write import write_json

PAGE, NUMBERS = "audit.html", "audit.json"
# Of audit.json: raised when a key goes or changes its meaning or unit, not for a new key.
SCHEMA_VERSION = 1
COUNTS = ("rows", "scored", "empty", "too_short", "duplicates", "truncated")
SHAPE = keyed(
    {
        "schema_version": whole,
        "headlines": listed(text),
        **{key: keyed(dict.fromkeys(COUNTS, whole)) for key in ("members", "nonmembers")},
    }
)
QUESTION = "What does this model give away of what it was trained on?"
CLOSING = (
    "<code>audit.json</code> beside this page holds every number of it, with the settings and "
    "the SHA-256 of every file that was read; <code>scores.parquet</code> every score of every "
    "document by its line. Neither holds a word of the documents. The same command on the same "
    "machine gives the same numbers."
)


def write_report(stored: StoredAudit, folder: Path) -> None:
    """Write both, with figures and tables; raises ValueError for scores that cannot be judged."""
    membership = judge_membership(stored)
    found = Found(
        membership=membership,
        regurgitation=judge_regurgitation(stored),
        unintended=under_references(stored),
        by_duplicates=by_duplicates(stored, membership),
    )
    made = content(found, stored, _numbers(found, stored.facts))
    closing = Section("Files", [Text(CLOSING, is_html=True)])
    name = f"Audit of {stored.facts['model']['name']}"
    write_page(folder / PAGE, name=name, question=QUESTION, content=made, closing=closing)
    numbers = {"schema_version": SCHEMA_VERSION, "headlines": list(made.headlines)}
    write_json(folder / NUMBERS, {**numbers, **made.numbers})


def is_finished(folder: Path) -> bool:
    """Whether the numbers exist, which are written last."""
    return os.path.lexists(folder / NUMBERS)


def read_numbers(folder: Path) -> dict[str, Any]:
    """Read the numbers of a finished audit; raises Damaged."""
    return dict(read_json(folder / NUMBERS, SHAPE, "move it away and audit again"))


def _numbers(found: Found, facts: Mapping[str, Any]) -> dict[str, Any]:
    membership, regurgitation = found.membership, found.regurgitation
    extraction, planted = regurgitation.extraction, regurgitation.planted
    plain = asdict(found, dict_factory=_plain)
    return {
        "membership": {
            **plain["membership"],
            "documents_a_side_to_narrow": to_narrow(membership.auroc, membership.num_members),
            "documents_a_side_to_exclude_chance": to_exclude_chance(
                membership.auroc, membership.num_members
            ),
            "nonmembers_missing": controls_missing(membership.blind.num_nonmembers),
        },
        "regurgitation": {
            "verdict": regurgitation.verdict,
            "tried": regurgitation.num_tried,
            "too_short": regurgitation.num_too_short,
            "members": extraction and _rate(extraction.train),
            "nonmembers": extraction and _rate(extraction.heldout),
            "excess": extraction and extraction.excess.value,
            "excess_interval": extraction and extraction.excess.interval,
            "discoverable": [
                {"samples": number, **{name: _rate(rate) for name, rate in sets.items()}}
                for number, sets in regurgitation.discoverable.items()
            ],
            "eidetic": {str(k): count for k, count in regurgitation.eidetic.items()},
            "documents_to_bound": to_bound(),
            "canaries": planted and _canaries(planted),
        },
        "unintended": plain["unintended"],
        "by_duplicates": [
            {**row, "extracted": each.extracted and _rate(each.extracted)}
            for row, each in zip(plain["by_duplicates"], found.by_duplicates, strict=True)
        ],
        **facts,
    }


def _plain(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """Turn a rate into its counts, another estimate into its value and interval."""
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
        "fitted_bits": planted.exposures.fitted_bits_K,  # by skew-normal; null: not fitted
        "repeats": planted.exposures.repeats_K.tolist(),
        "at_repeats": [
            {
                "repeats": times,
                "num_canaries": bits.n,
                "mean_bits": bits.value,
                "interval_bits": bits.interval,
                "extracted": _rate(planted.extracted[times]),
            }
            for times, bits in planted.at_repeats.items()
        ],
        "chance": planted.chance and {**asdict(planted.chance), "expected_bits": CHANCE_BITS},
    }
