"""The report on controls: which one lowers leakage, and what it costs in held-out loss."""

from html import escape
from typing import Any

from rote.analysis.content import Content, Section
from rote.analysis.elements import (
    card,
    estimate_cell,
    figure,
    number_cell,
    scrolled,
    table,
    text_cell,
    warning_cell,
)
from rote.analysis.reports.controls import wording
from rote.analysis.reports.controls.figures import draw_frontier
from rote.analysis.reports.controls.study import Fitted, Panel, Point, Study, study
from rote.analysis.results import Results
from rote.analysis.runs_table import NOTE

TEXT = ("task", "leakage", "control", "frontier", "lowered")
HEADERS = (
    ("task", ""),
    ("leakage", ""),
    ("control", ""),
    ("leaked", "95 % interval"),
    ("change", "95 % interval"),
    ("lowered", "by the interval"),
    ("held-out loss", "bits per token"),
    ("cost", "95 % interval"),
    ("frontier", ""),
    ("seeds", ""),
)
FITTED_HEADERS = (("task", ""), ("control", ""), ("random labels told", "95 % interval"))


def make(results: Results) -> Content:
    """Raises ValueError where no run measured leakage and held-out loss."""
    found = study(results)
    drawing = draw_frontier(found)
    lines = "".join(f"<p>{escape(wording.panel_line(panel))}.</p>" for panel in found.panels)
    sections = [
        Section(
            title="What each control saves, and what it costs",
            html=figure(drawing, wording.CAPTIONS["frontier"])
            + lines
            + scrolled(table(HEADERS, _rows(found), text=TEXT), tall=True)
            + f"<p>{wording.TABLE_NOTE} {NOTE}</p>",
        )
    ]
    if found.fitted:
        sections.append(_fitted_section(found))
    return Content(
        headlines=wording.headlines(found),
        setting=wording.setting(found),
        cards=tuple(_card(panel) for panel in found.panels if panel.anchor),
        sections=tuple(sections),
        drawings=(drawing,),
        numbers=_numbers(found),
        table=found.runs,
        arrays_of=tuple(found.runs.drop_nulls("exposure_bits")["run_id"]),
    )


def _rows(found: Study) -> list[list[str]]:
    return [_cells(panel, point) for panel in found.panels for point in panel.points]


def _cells(panel: Panel, point: Point) -> list[str]:
    helps = point.saved is not None and point.saved.sign < 0
    return [
        text_cell(panel.name),
        text_cell(panel.kind.title),
        text_cell(point.words.replace("_", " ")),
        estimate_cell(point.leak, panel.kind.form),
        estimate_cell(point.saved, panel.kind.change),
        text_cell("") if point.is_anchor else text_cell("yes") if helps else warning_cell("no"),
        estimate_cell(point.loss, "{:.3f}"),
        estimate_cell(point.cost, "{:+.3f}"),
        text_cell("yes" if point.on_frontier else ""),
        number_cell(point.leak.n),
    ]


def _fitted_section(found: Study) -> Section:
    lines = "".join(f"<p>{escape(line)}.</p>" for line in wording.regularisation_lines(found))
    made = table(FITTED_HEADERS, map(_fitted_cells, found.fitted), text=TEXT)
    note = (
        f"Random labels are said to be fitted where {wording.FITTED_SHARE:.0%} of them are told "
        f"right, by the lower end of the interval over seeds, and not to be where the upper end "
        f"is below that. The claim: {wording.SOURCE}, of images."
    )
    return Section(
        title="Does regularisation keep random labels from being fitted?",
        html=f"{lines}{scrolled(made, tall=True)}<p>{escape(note)}</p>",
    )


def _fitted_cells(each: Fitted) -> list[str]:
    return [
        text_cell(each.panel),
        text_cell(each.words.replace("_", " ")),
        estimate_cell(each.share, "{:.1%}"),
    ]


def _card(panel: Panel) -> str:
    helping = wording.lowering(panel)
    assert panel.anchor is not None  # `make` leaves others out
    best = helping[0] if helping else None
    return card(
        title=panel.name,
        meaning=f"{panel.kind.title}: without control, and as low as a control makes it; a guess: "
        f"{panel.kind.form.format(panel.guess)}",
        value=panel.kind.form.format(panel.anchor.leak.value)
        + (f" &rarr; {panel.kind.form.format(best.leak.value)}" if best else ""),
        unit=panel.kind.unit,
        lines=(
            f"<p>{escape(best.words.replace('_', ' '))}</p>"
            f"<p>{escape(wording.cost_words(best.cost))}</p>"
            if best
            else "<p>no control lowers it beyond doubt</p>",
        ),
    )


def _numbers(found: Study) -> dict[str, Any]:
    return {
        f"{panel.kind.column} {panel.name}, {point.words}": {
            "leak": point.leak.value,
            "leak_interval": point.leak.interval,
            "guess": panel.guess,
            "saved": point.saved and point.saved.value,
            "saved_interval": point.saved and point.saved.interval,
            "heldout_bits_per_token": point.loss.value,
            "cost": point.cost and point.cost.value,
            "cost_interval": point.cost and point.cost.interval,
            "on_frontier": point.on_frontier,
            "runs": list(point.run_ids),
        }
        for panel in found.panels
        for point in panel.points
    }
