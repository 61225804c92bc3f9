"""Write judged claims as a page, as Markdown and as JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from rote.analysis.claims.claim import PRINTED, TOPICS
from rote.analysis.claims.evidence import (
    FAILS,
    HOLDS,
    MEASURED,
    UNDECIDED,
    UNTESTED,
    VERDICTS,
    Evidence,
    JudgedClaim,
    Measured,
    measured_json,
    measured_of,
)
from rote.analysis.estimate import number, plural, span, typeset
from rote.analysis.page import Card, Content, Section, Text
from rote.analysis.table import Cell, Column, Table, warning
from rote.io.read import read_json
from rote.io.shapes import keyed, listed, whole

VERSION = 1
EVIDENCE = listed(keyed({"measured": MEASURED}))
SHAPE = keyed({"version": whole, "claims": listed(keyed({"evidence": EVIDENCE}))})
QUESTION = "Which published claims hold where they were measured here?"
FORM = "{:.3g}"
MOST_SHOWN = 4  # numbers of one claim in a table's cell
SMALL_SCALE = "direction, at small scale"
MEANINGS = {
    HOLDS: "the whole 95 % interval agrees",
    FAILS: "the whole 95 % interval contradicts",
    UNDECIDED: "an interval spans the bound, or there is none",
    UNTESTED: "no report holds the number",
}
NOTE = (
    "Nothing is called reproduced that was not run at the settings of its source. A verdict at "
    f"other sizes, data or steps is marked: {SMALL_SCALE}. A number from runs that had not "
    "converged is a lower bound, and cannot show that a value stays below another."
)


def read_earlier(path: Path) -> list[Measured]:
    """Return the numbers of an earlier scorecard's JSON; raises Damaged, FileNotFoundError."""
    content = read_json(path, SHAPE)
    rows = [row["measured"] for claim in content["claims"] for row in claim["evidence"]]
    # Several claims may rest on one number.
    by_place = {(row["report"], row["number"], row["path"]): row for row in rows}
    return [measured_of(row) for row in by_place.values()]


def scorecard(judged: Sequence[JudgedClaim], bills: Mapping[str, str]) -> Content:
    """Return the page's content; ``bills`` says what a sweep costs, by its name."""
    counts = Counter(each.verdict for each in judged)
    return Content(
        headlines=(summary(judged),),
        setting=f"{plural(len(judged), 'claim')} of the literature, by topic.",
        cards=tuple(_card(verdict, judged, counts[verdict]) for verdict in VERDICTS),
        sections=tuple(
            Section(topic.capitalize(), [_table(of_topic, bills)])
            for topic in TOPICS
            if (of_topic := [each for each in judged if each.claim.topic == topic])
        ),
        numbers={},
        table=pl.DataFrame(),
        lead=Text(NOTE),
    )


def summary(judged: Sequence[JudgedClaim]) -> str:
    """Return the counts in one line."""
    counts = Counter(each.verdict for each in judged)
    small = [each for each in judged if each.verdict == HOLDS and each.settings != PRINTED]
    return (
        f"{plural(len(judged), 'claim')}: {counts[HOLDS]} hold ({len(small)} of them as a "
        f"{SMALL_SCALE}), {counts[FAILS]} do not, {counts[UNDECIDED]} are not decided, "
        f"{counts[UNTESTED]} are not tested"
    )


def markdown(judged: Sequence[JudgedClaim], bills: Mapping[str, str]) -> str:
    """Return the same tables in Markdown."""
    lines = [f"{summary(judged)}.", "", NOTE, ""]
    for topic in TOPICS:
        of_topic = [each for each in judged if each.claim.topic == topic]
        if not of_topic:
            continue
        table = _table(of_topic, bills)
        lines += [f"## {topic.capitalize()}", ""]
        lines.append(f"| {' | '.join(column.title for column in table.columns)} |")
        lines.append("|---" * len(table.columns) + "|")
        lines += [f"| {' | '.join(_markdown(cell) for cell in row)} |" for row in table.cells]
        lines.append("")
    return "\n".join(lines)


def scorecard_json(judged: Sequence[JudgedClaim], bills: Mapping[str, str]) -> dict[str, Any]:
    """Return all that the page says; `read_earlier` reads its numbers."""
    return {
        "version": VERSION,
        "summary": {verdict: _num(judged, verdict) for verdict in VERDICTS},
        "claims": [
            {
                "name": each.claim.name,
                "topic": each.claim.topic,
                "says": each.claim.says,
                "source": each.claim.source,
                "printed": each.claim.printed,
                "about": each.claim.about,
                "verdict": each.verdict,
                "settings": each.settings,
                "evidence": [
                    {
                        "measured": measured_json(one.measured),
                        "settings": one.settings,
                        "verdict": one.verdict,
                    }
                    for one in each.evidence
                ],
                "command": command(each),
                "cost": bills.get(_sweep(each)),
            }
            for each in judged
        ],
    }


def command(judged: JudgedClaim) -> str | None:
    """Return the commands that would decide more; None if nothing is left to decide."""
    test = judged.deciding
    if test is None:
        return None
    kind = test.report.removeprefix(f"{test.sweep}-") if test.report else ""
    return f"rote sweep {test.sweep}; rote report {test.sweep}{f' --kind {kind}' if kind else ''}"


def _num(judged: Sequence[JudgedClaim], verdict: str) -> int:
    return sum(each.verdict == verdict for each in judged)


def _sweep(judged: JudgedClaim) -> str:
    return judged.deciding.sweep if judged.deciding else ""


def _card(verdict: str, judged: Sequence[JudgedClaim], count: int) -> Card:
    printed = [each for each in judged if each.verdict == verdict and each.settings == PRINTED]
    decided = verdict in (HOLDS, FAILS)
    lines = [Text(f"{len(printed)} at the printed settings")] if decided else []
    return Card(
        title=verdict.capitalize(), meaning=MEANINGS[verdict], value=str(count), lines=lines,
        is_warning=verdict == FAILS and count > 0,
    )  # fmt: skip


def _table(judged: Sequence[JudgedClaim], bills: Mapping[str, str]) -> Table:
    return Table(
        columns=(
            Column("claim", lambda each: Cell(text=each.claim.says, below=each.claim.source)),
            Column("verdict", _verdict_cell),
            Column("printed", lambda each: Cell(text=each.claim.printed, below=each.claim.about)),
            Column("measured here", _measured_cell),
            Column("would decide more", lambda each: _command_cell(each, bills)),
        ),
        rows=judged,
        is_prose=True,
    )


def _measured_cell(judged: JudgedClaim) -> Cell:
    shown = [each for each in judged.evidence if each.settings == judged.settings]
    if not shown:
        return Cell(text="")
    lines = [_words(each) for each in shown[:MOST_SHOWN]]
    if len(shown) > MOST_SHOWN:
        lines.append(f"and {len(shown) - MOST_SHOWN} more")
    return Cell(text="; ".join(lines), below=_origin(shown))


def _words(evidence: Evidence) -> str:
    measured = evidence.measured
    if not isinstance(measured.value, int | float):
        return f"{measured.number}: {measured.value or 'no value'}"
    at_least = "at least " if measured.is_lower_bound else ""
    interval = span(measured.interval, FORM) or "no interval"
    return f"{measured.number}: {at_least}{number(measured.value, FORM)} ({interval})"


def _origin(shown: Sequence[Evidence]) -> str:
    """Return sweeps, runs, convergence, commits and day behind the numbers."""
    by_report = {each.measured.report: each.measured for each in shown}
    return "; ".join(
        ", ".join(filter(None, (name, _converged(one), _commits(one), one.trained_until)))
        for name, one in by_report.items()
    )


def _converged(measured: Measured) -> str:
    if len(measured.runs_converged) != 2:
        return ""
    converged, runs = measured.runs_converged
    if runs == 0:
        return "a set number of steps"
    return f"{converged} of {runs} runs converged"


def _commits(measured: Measured) -> str:
    if not measured.commits:
        return ""
    return f"commit {', '.join(each[:7] for each in measured.commits)}"


def _verdict_cell(judged: JudgedClaim) -> Cell:
    is_small = judged.verdict in (HOLDS, FAILS) and judged.settings != PRINTED
    below = SMALL_SCALE if is_small else ""
    if judged.verdict == FAILS:
        return warning(judged.verdict, below)
    return Cell(text=judged.verdict, below=below)


def _command_cell(judged: JudgedClaim, bills: Mapping[str, str]) -> Cell:
    return Cell(text=command(judged) or "", below=bills.get(_sweep(judged), ""), is_code=True)


def _markdown(cell: Cell) -> str:
    text = f"`{cell.text}`" if cell.is_code and cell.text else typeset(cell.text)
    words = f"{text}<br>*{typeset(cell.below)}*" if cell.below else text
    return words.replace("|", "\\|")
