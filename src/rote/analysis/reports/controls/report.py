"""Make the report on controls: which control lowers leakage, and its cost in held-out loss."""

from typing import Any

import polars as pl

from rote.analysis.estimate import models_words, seeds_words, with_interval
from rote.analysis.figures import GREY, INK
from rote.analysis.marks import Layer
from rote.analysis.metrics import METRICS
from rote.analysis.page import Card, Content, Section, Text
from rote.analysis.plot import Axis, Plot, tidy
from rote.analysis.reports.controls import wording
from rote.analysis.reports.controls.study import LOSS, ControlPoint, Panel, Study, study
from rote.analysis.results import Results
from rote.analysis.runs_table import NOTE
from rote.analysis.table import INTERVAL, Cell, Column, Table, warning

WIDE = 10  # largest over least loss: above, the axis is logarithmic


def make(results: Results) -> Content:
    """Make it; raises ValueError if no run measured leakage and held-out loss."""
    found = study(results)
    lines = [Text(f"{wording.panel_line(panel)}.") for panel in found.panels]
    tasks = ", ".join(dict.fromkeys(panel.name for panel in found.panels))
    sections = [
        Section(
            "What each control saves, and what it costs",
            [
                *lines, _table(found),
                Text(f"{wording.TABLE_NOTE} {NOTE}", is_html=True),
            ],
        )
    ]  # fmt: skip
    if found.fitted:
        sections.append(_fitted_section(found))
    return Content(
        headlines=wording.headlines(found),
        setting=f"{tasks}; {models_words(found.runs)}; {seeds_words(found.runs)}.",
        cards=tuple(_card(panel) for panel in found.panels if panel.anchor),
        lead=frontier(found),
        sections=tuple(sections),
        numbers=_numbers(found),
        table=found.runs,
        arrays_of=tuple(found.runs.drop_nulls("exposure_bits")["run_id"]),
    )


def frontier(found: Study) -> Plot:
    """Plot a panel per task and kind of leakage, with a mark per control and strength."""
    rows = [
        {
            "panel": _title(panel), "control": point.control.replace("_", " "),
            "strength": _strength(point), "loss": point.loss, "leak": point.counted,
            "is_anchor": point.is_anchor, "on_frontier": point.on_frontier,
        }
        for panel in found.panels
        for point in panel.points
    ]  # fmt: skip
    marks = tidy(rows)
    guesses = pl.DataFrame(
        [{"panel": _title(panel), "leak": panel.guess} for panel in found.panels]
    )
    best = marks.filter("on_frontier").sort("panel", "loss", "leak").select("panel", "loss", "leak")
    anchor = marks.filter("is_anchor")
    losses = [point.loss.value for panel in found.panels for point in panel.points]
    star = {"color": INK, "marker": "*", "markersize": 11}
    dotted = {"color": INK, "linestyle": ":", "linewidth": 0.8}
    fine = {"color": GREY, "linestyle": (0, (1, 3))}
    return Plot(
        name="frontier",
        title=wording.frontier_title(found),
        caption=wording.FRONTIER_CAPTION,
        panel="panel",
        shares_x=False,
        shares_y=False,
        x=Axis(
            label=METRICS[LOSS].label, is_log=min(losses) > 0 and max(losses) > WIDE * min(losses)
        ),
        y=Axis(label="leakage, in the unit of the panel", form="count"),
        layers=[
            Layer(
                frame=best, kind="steps", x="loss", y="leak", label="Pareto frontier",
                look={"color": GREY, "linestyle": "--", "linewidth": 1},
            ),
            Layer(frame=guesses, kind="across", y="leak", label="a guess", look=fine),
            Layer(frame=anchor, kind="upright", x="loss", look=dotted),
            Layer(frame=anchor, kind="across", y="leak", look=dotted),
            Layer(
                frame=marks.filter(~pl.col("is_anchor")), x="loss", y="leak", hue="control",
                style="control", text="strength",
            ),
            Layer(frame=anchor, x="loss", y="leak", label="no control", look=star),
        ],
    )  # fmt: skip


def _title(panel: Panel) -> str:
    return f"{panel.name}:\n{panel.kind.label}"


def _strength(point: ControlPoint) -> str:
    """Return the last number of its words; empty for a control without a strength."""
    last = point.words.rpartition(" ")[2]
    return last if last[:1].isdigit() else ""


def _table(found: Study) -> Table:
    rows = [(panel, point) for panel in found.panels for point in panel.points]
    columns = [
        Column("task", lambda row: row[0].name),
        Column("leakage", lambda row: row[0].kind.title),
        Column("control", lambda row: row[1].title),
        Column("leaked", lambda row: _amount(row, "leak"), unit=INTERVAL),
        Column("change", lambda row: _amount(row, "saved"), unit=INTERVAL),
        Column("lowered", _lowered, unit="by the interval"),
        Column("held-out loss", lambda row: row[1].loss, unit="bits per token", form="{:.3f}"),
        Column("cost", lambda row: row[1].cost, form="{:+.3f}", missing="none", unit=INTERVAL),
        Column("frontier", lambda row: row[1].on_frontier),
        Column("seeds", lambda row: row[1].leak.n),
    ]
    return Table(rows=rows, is_tall=True, columns=columns)


def _amount(row: tuple[Panel, ControlPoint], what: str) -> Cell:
    """Format in the form of the panel's kind of leakage."""
    panel, point = row
    form = panel.kind.form if what == "leak" else panel.kind.signed
    return Column("", what, form=form, missing="none").cell(point)


def _lowered(row: tuple[Panel, ControlPoint]) -> Cell | bool | str:
    _, point = row
    if point.is_anchor:
        return "none"
    return True if point.saved is not None and point.saved.sign < 0 else warning("no")


def _fitted_section(found: Study) -> Section:
    columns = [
        Column("task", "panel"),
        Column("control", lambda each: each["control_words"].replace("_", " ")),
        Column("random labels answered", "share", unit=INTERVAL, form="{:.1%}"),
    ]
    lines = [Text(f"{line}.") for line in wording.regularisation_lines(found)]
    return Section(
        "Does regularisation keep random labels from being fitted?",
        [
            *lines, Table(columns=columns, rows=found.fitted, is_tall=True),
            Text(wording.FITTED_NOTE),
        ],
    )  # fmt: skip


def _card(panel: Panel) -> Card:
    helping = wording.lowering(panel)
    assert panel.anchor is not None  # `make` excludes panels without one
    best, form = helping[0] if helping else None, panel.kind.form
    lines = ["no control lowers it beyond doubt"]
    if best:
        lines = [best.title, wording.cost_words(best.cost)]
    return Card(
        title=panel.name,
        meaning=f"{panel.kind.title}: without control, and as low as a control makes it; a guess: "
        f"{form.format(panel.guess)}",
        value=form.format(panel.anchor.leak.value)
        + (f" \N{RIGHTWARDS ARROW} {form.format(best.leak.value)}" if best else ""),
        unit=panel.kind.unit,
        lines=[Text(line) for line in lines],
    )


def _numbers(found: Study) -> dict[str, Any]:
    return {
        f"{panel.kind.name} {panel.name}, {point.words}": {
            "guess": panel.guess,
            "heldout_bits_per_token": point.loss.value,
            **with_interval("leak", point.leak),
            **with_interval("saved", point.saved),
            **with_interval("cost", point.cost),
            "on_frontier": point.on_frontier,
            "runs": list(point.run_ids),
        }
        for panel in found.panels
        for point in panel.points
    }
