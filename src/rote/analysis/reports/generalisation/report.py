"""The report on generalisation: rules against rote, by size, over splits and seeds."""

from html import escape
from typing import Any

from rote.analysis.content import Content, Section
from rote.analysis.drawing import Drawing
from rote.analysis.elements import card, figure
from rote.analysis.reports.generalisation import tables, wording
from rote.analysis.reports.generalisation.claims import claims
from rote.analysis.reports.generalisation.figures import draw_knowledge, draw_matches
from rote.analysis.reports.generalisation.study import Compared, Study, study
from rote.analysis.results import Results
from rote.analysis.runs_table import NOTE


def make(results: Results) -> Content:
    """Raises ValueError where no run measured exact matches."""
    found = study(results)
    drawings = {"matches": draw_matches(found)}
    if found.knowledge:
        drawings["knowledge"] = draw_knowledge(found)
    return Content(
        headlines=wording.headlines(found),
        setting=wording.setting(found),
        cards=tuple(_card(each) for each in _extrapolated(found)),
        sections=_sections(found, drawings),
        drawings=tuple(drawings.values()),
        numbers=_numbers(found),
        table=found.runs,
        arrays_of=tuple(each.run_id for each in found.knowledge),
    )


def _sections(found: Study, drawings: dict[str, Drawing]) -> tuple[Section, ...]:
    shown = {name: figure(drawing, wording.CAPTIONS[name]) for name, drawing in drawings.items()}
    sections = [
        Section(
            title="Does a larger model extrapolate less?",
            html=shown["matches"] + tables.match_table(found) + f"<p>{NOTE}</p>",
        ),
        Section(
            title="Which published conclusions survive",
            html=f"<p>{escape(wording.verdict(found))}</p>{tables.claim_table(found)}"
            f"<p>{escape(wording.CLAIM_NOTE)}</p>",
        ),
        Section(
            title="Beside the published table",
            html=tables.published_table(found) + f"<p>{escape(wording.PUBLISHED_NOTE)}</p>",
        ),
        Section(title="Every held-out split", html=tables.split_table(found)),
    ]
    if found.knowledge:
        sections.append(
            Section(title="Knowledge", html=shown["knowledge"] + tables.recall_table(found))
        )
    return tuple(sections)


def _extrapolated(found: Study) -> list[Compared]:
    return [
        each
        for each in found.compared
        if each.side == "heldout" and each.series.subject == "arithmetic" and each.apart
    ]


def _card(each: Compared) -> str:
    assert each.apart is not None  # `_extrapolated` leaves others out
    smaller, larger, (low, high) = each.smaller, each.larger, each.apart.ends
    return card(
        title=each.series.name,
        meaning=f"held-out items answered: {larger.size} less {smaller.size}",
        value=f"{100 * each.apart.value:+.0f}",
        unit="points",
        lines=(
            f"<p>95 % interval {100 * low:+.0f} to {100 * high:+.0f}; {each.apart.num_splits} "
            f"split(s), {each.apart.n} pairs of runs</p>",
            *(f"<p>{side.size}: {side.free.words('{:.0%}')}</p>" for side in (smaller, larger)),
        ),
    )


def _numbers(found: Study) -> dict[str, Any]:
    return {
        **{
            f"share {each.series.name}, {each.size}, {each.side}": {
                "free_running": each.free.value,
                "interval": each.free.interval,
                "right": each.pooled.successes,
                "asked": each.pooled.trials,
                "runs": list(each.run_ids),
            }
            for each in found.wholes
        },
        **{
            f"claim {each.conclusion} on {each.series.name}": {
                "verdict": each.verdict,
                "rule": each.rule,
                "runs": found.runs_of(each.series),
            }
            for each in claims(found)
        },
        **{
            f"knowledge {each.run_id}": {
                "stored_bits": each.stored_bits,
                "given_bits": each.given_bits,
                "parameters": each.parameters,
                "runs": [each.run_id],
            }
            for each in found.knowledge
        },
    }
