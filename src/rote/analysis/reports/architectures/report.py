"""Make the report on architectures: two figures, a card for each size, and the table."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import polars as pl
from matplotlib.axes import Axes

from rote.analysis.estimate import extent, plural
from rote.analysis.figures import GREY, PALETTE
from rote.analysis.marks import FAINT, Layer
from rote.analysis.metrics import METRICS
from rote.analysis.page import Card, Content, Section, Text
from rote.analysis.plot import Axis, Plot, tidy
from rote.analysis.quantities.architectures import (
    REFERENCE,
    Point,
    architecture_points,
    difference_to_reference,
)
from rote.analysis.quantities.convergence import converged
from rote.analysis.quantities.points import DATA
from rote.analysis.reports.architectures import wording
from rote.analysis.results import Results
from rote.analysis.runs_table import NOTE
from rote.analysis.table import Cell, Column, Table, warning

PER_PARAMETER = METRICS["bits_per_parameter"]
PER_ACTIVE, PER_FLOP = METRICS["bits_per_active_parameter"], METRICS["bits_per_forward_flop"]
BITS = METRICS["memorised_bits"]
FORM, INTERVAL = PER_PARAMETER.form, "95 % interval"


def make(results: Results) -> Content:
    """Raises ValueError where no run memorised data of known entropy."""
    runs, points = architecture_points(results.table)
    sizes = [list(each) for _, each in groupby(points, key=lambda each: each.size)]
    lines = tuple(line for each in sizes for line in wording.lines(each))
    words = converged(runs)
    doubt = Text(words, is_warning=not runs["training.converged"].all())
    paragraphs = [Text(f"{line}.") for line in lines]
    return Content(
        headlines=(*lines, words),
        setting=(
            f"{plural(runs['architecture'].n_unique(), 'architecture')} of "
            f"{extent(runs['parameters'])} parameters; {extent(runs[DATA])} sequences of known "
            f"entropy; {plural(runs['seed'].n_unique(), 'seed')}."
        ),
        cards=tuple(_card(each) for each in sizes),
        lead=_by_architecture(sizes),
        sections=(
            Section("At equal FLOPs of a token", [_by_flops(sizes)]),
            Section(
                "Architectures", [*paragraphs, doubt, _table(points), Text(wording.TABLE_NOTE)]
            ),
            Section("Files", [Text(NOTE, is_html=True)]),
        ),
        numbers={f"{each.size}, {each.name}": _number(each, points) for each in points},
        table=runs,
    )


def _card(points: Sequence[Point]) -> Card:
    known = [each for each in points if each.is_above_guess]
    title, meaning = points[0].size, "most memorised per parameter"
    if not known:
        words = Text("nothing is memorised beyond doubt", is_warning=True)
        return Card(title=title, meaning=meaning, value="none", lines=[words])
    best = max(known, key=lambda each: each.per_parameter.value)
    lines = [
        Text(f"{best.name}, {best.model}"),
        Text(f"95 %: {best.per_parameter.span(PER_PARAMETER.form)}"),
    ]
    if best.is_lower_bound:
        lines.append(Text(f"a lower bound: {wording.standing(best)}", is_warning=True))
    if (gap := difference_to_reference(best, points)) is not None:
        lines.append(Text(f"less {REFERENCE}: {gap.words(PER_PARAMETER.signed)}"))
    return Card(
        title=title, meaning=meaning, value=PER_PARAMETER.form.format(best.per_parameter.value),
        unit=PER_PARAMETER.unit, lines=lines,
    )  # fmt: skip


def _by_architecture(sizes: Sequence[Sequence[Point]]) -> Plot:
    """Plot bits per parameter, a row an architecture, a panel a size; most memorised on top."""
    names = {points[0].size: [each.name for each in points] for points in sizes}

    def name_rows(axes_of: Mapping[Any, Axes]) -> None:
        for size, axes in axes_of.items():
            axes.set_yticks(range(len(names[size])), names[size])
            axes.set_ylim(len(names[size]) - 0.5, -0.5)

    of: dict[str, Any] = {
        "x": "per_parameter",
        "y": "place",
        "hollow": "is_open",
        "hollow_label": wording.LOWER_BOUND,
    }
    means, single = _marks(sizes)
    return Plot(
        name="architectures",
        title=wording.title(sizes),
        caption=wording.CAPTION,
        panel="size",
        num_columns=min(2, len(sizes)),
        shares_y=False,
        x=Axis(label=PER_PARAMETER.label),
        y=Axis(label=""),
        finish=name_rows,
        layers=[
            Layer(frame=single, label="a run", look={"color": GREY, **FAINT}, **of),
            Layer(frame=means, label="mean over seeds", look={"color": PALETTE[0]}, **of),
        ],
    )


def _by_flops(sizes: Sequence[Sequence[Point]]) -> Plot:
    """Plot the same against FLOPs of a token, a panel a size."""
    means, single = _marks(sizes)
    of: dict[str, Any] = {
        "x": "flops", "y": "per_parameter", "hue": "architecture", "style": "architecture",
        "hollow": "is_open", "hollow_label": wording.LOWER_BOUND,
    }  # fmt: skip
    return Plot(
        name="flops",
        title="Bits memorised per parameter, against FLOPs of a token forwards",
        caption=f"{wording.FLOPS_CAPTION}{wording.CAPTION}",
        panel="size",
        num_columns=min(2, len(sizes)),
        shares_x=False,
        x=Axis(label="FLOPs of a token forwards", is_log=True),
        y=Axis(label=PER_PARAMETER.label),
        layers=[Layer(frame=means, **of), Layer(frame=single, look=FAINT, **of)],
    )


def _marks(sizes: Sequence[Sequence[Point]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of means over seeds, and of single runs."""
    means, single = [], []
    for points in sizes:
        for place, each in enumerate(points):
            row = {
                "size": each.size, "place": float(place), "architecture": each.name,
                "flops": each.forward_flops, "is_open": each.is_lower_bound,
            }  # fmt: skip
            means.append(row | {"per_parameter": each.per_parameter})
            single += [
                row | {"per_parameter": value, "is_open": each.is_data_limited or not converged}
                for value, converged in each.runs.select(
                    "per_parameter", "training.converged"
                ).iter_rows()
            ]
    ends = pl.col("per_parameter_low", "per_parameter_high").cast(pl.Float64)  # of one seed: null
    return tidy(means).with_columns(ends), tidy(single)


def _table(points: Sequence[Point]) -> Table:
    def stored(each: Point) -> Cell | float:
        share = each.stored_share
        return warning(f"{share:.0%}", "data-limited") if each.is_data_limited else share

    return Table(
        rows=points,
        is_tall=True,
        columns=[
            Column("size", "size"),
            Column("architecture", "name"),
            Column("model", "model", unit="layers x width, heads"),
            Column("parameters", "parameters"),
            Column("active parameters", "active_parameters"),
            Column("with frozen ones", "total_parameters", unit="parameters"),
            Column("FLOPs of a token", "forward_flops", unit="forwards", form="{:,.0f}"),
            Column("sequences", "num_sequences"),
            Column("memorised", "memorised_bits", unit=f"bits, {INTERVAL}", form=BITS.form),
            Column("memorised", "per_parameter", unit=PER_PARAMETER.unit, form=FORM),
            Column(
                f"less {REFERENCE}", lambda each: difference_to_reference(each, points),
                unit=PER_PARAMETER.unit, form=PER_PARAMETER.signed, missing="not compared",
            ),
            Column("memorised", "per_active_parameter", unit=PER_ACTIVE.unit, form=FORM),
            Column("memorised", "per_flop", unit=PER_FLOP.unit, form=FORM),
            Column("stored", stored, unit="of what can be", form="{:.0%}"),
            Column("seeds", lambda each: each.per_parameter.n),
            Column("converged", lambda each: Cell(
                text=f"{each.num_converged} of {each.runs.height}",
                is_warning=not each.has_converged,
            )),
        ],
    )  # fmt: skip


def _number(point: Point, points: Sequence[Point]) -> dict[str, Any]:
    gap = difference_to_reference(point, points)
    amounts = {
        "bits_per_parameter": point.per_parameter,
        "bits_per_active_parameter": point.per_active_parameter,
        "bits_per_forward_flop": point.per_flop,
        "memorised_bits": point.memorised_bits,
    }
    if gap is not None:
        amounts[f"bits_per_parameter_less_{REFERENCE}"] = gap
    return {
        **{name: each.value for name, each in amounts.items()},
        **{f"interval_{name}": each.interval for name, each in amounts.items()},
        "parameters": point.parameters,
        "active_parameters": point.active_parameters,
        "total_parameters": point.total_parameters,
        "forward_flops_per_token": point.forward_flops,
        "num_sequences": point.num_sequences,
        "data_limited": point.is_data_limited,
        "num_converged": point.num_converged,
        "runs": point.runs["run_id"].to_list(),
    }
