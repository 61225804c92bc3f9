"""Report on architectures: bits memorised per parameter, and against FLOPs of a token."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import polars as pl
from matplotlib.axes import Axes

from rote.analysis.estimate import between, extent, plural
from rote.analysis.figures import GREY, PALETTE
from rote.analysis.marks import FAINT, Layer
from rote.analysis.metrics import METRICS
from rote.analysis.page import Card, Content, Section, Text
from rote.analysis.plot import Axis, Plot, tidy
from rote.analysis.quantities.architectures import (
    REFERENCE,
    Point,
    Verdict,
    architecture_points,
    difference_over_seeds,
    difference_to_reference,
    reference_of,
    verdict,
)
from rote.analysis.quantities.convergence import converged
from rote.analysis.quantities.points import DATA
from rote.analysis.results import Results
from rote.analysis.runs_table import NOTE, unconverged
from rote.analysis.table import Cell, Column, Table, warning

PER_PARAMETER = METRICS["bits_per_parameter"]
FORM, INTERVAL = PER_PARAMETER.form, "95 % interval"
CAPTION = (
    "Large marks are means over seeds with 95 % intervals, Student's t; small ones are single "
    "runs. Open marks are lower bounds: runs that had not converged, or that store nearly all of "
    "their data. Parameters are those that train: of LoRA the adapters, of a mixture all experts."
)
FLOPS_CAPTION = (
    "FLOPs are 2 for each parameter, as often as a token goes through it, frozen ones included; "
    "attention scores are left out. Models of one column spend equally many on a token. "
)
TABLE_NOTE = (
    f"Differences are paired by seed and less {REFERENCE}. Of several sizes of data set each row "
    "takes the one of which most is memorised. Stored is the share of all that can be memorised of "
    "it: an architecture that stores nearly all of its largest data set is data-limited, and its "
    "numbers are lower bounds, as are those of runs that had not converged."
)


def make(results: Results) -> Content:
    """Raises ValueError where no run memorised data of known entropy."""
    runs, points = architecture_points(results.table)
    sizes = [list(each) for _, each in groupby(points, key=lambda each: each.size)]
    lines = tuple(f"{each[0].size}: {words}" for each in sizes for words in _findings(each))
    words = converged(runs)
    doubt = Text(words, is_warning=not runs["training.converged"].all())
    paragraphs = [*(Text(f"{line}.") for line in lines), doubt]
    return Content(
        headlines=(*lines, words),
        setting=(
            f"{plural(runs['architecture'].n_unique(), 'architecture')} of "
            f"{extent(runs['parameters'])} parameters; {extent(runs[DATA])} sequences of known "
            f"entropy; {plural(runs['seed'].n_unique(), 'seed')}."
        ),
        cards=tuple(map(_card, sizes)),
        lead=_by_architecture(sizes),
        sections=(
            Section("At equal FLOPs of a token", [_by_flops(sizes)]),
            Section("Architectures", [*paragraphs, _table(points), Text(TABLE_NOTE)]),
            Section("Files", [Text(NOTE, is_html=True)]),
        ),
        numbers={f"{each.size}, {each.name}": _number(each, points) for each in points},
        table=runs,
    )


def _findings(points: Sequence[Point]) -> Iterator[str]:
    """Which architecture of a size memorises most, and what is left open."""
    if not any(each.is_above_guess for each in points):
        yield "no architecture memorises anything beyond doubt, so none can be compared"
        return
    yield _most(points, "per_parameter", "per parameter")
    yield from _verdicts(points)
    yield _most(points, "per_flop", "per forward FLOP of a token")
    for each in points:
        per_parameter = _amount(each, "per_parameter")
        if each.active_parameters != each.parameters:
            yield (
                f"{each.name}: {_amount(each, 'per_active_parameter')} bits per active parameter "
                f"({each.active_parameters:,}), {per_parameter} per parameter"
            )
        if each.total_parameters != each.parameters:
            yield (
                f"{each.name}: {per_parameter} bits per parameter that trains, beside "
                f"{each.total_parameters - each.parameters:,} that are frozen"
            )
    if limited := [each.name for each in points if each.is_data_limited]:
        yield (
            "data-limited, nearly all of the largest data set is stored: "
            f"{', '.join(limited)}; how much more they can memorise is not known"
        )


def _most(points: Sequence[Point], column: str, words: str) -> str:
    """Which architecture memorises most, and which may equal it."""
    known = [each for each in points if each.is_above_guess]
    best, *others = sorted(known, key=lambda each: -getattr(each, column).value)
    parts = [f"most memorised {words}: {best.name}, {_amount(best, column)} bits"]
    gaps = [(each, difference_over_seeds(best, each, column)) for each in others]
    alike = [each.name for each, gap in gaps if gap is None or gap.sign <= 0]
    may_be_more = [each.name for each, gap in gaps if gap and gap.sign > 0 and each.is_lower_bound]
    if alike:
        parts.append(f"no difference beyond doubt from {', '.join(alike)}")
    if may_be_more:
        parts.append(f"less in these runs, but a lower bound: {', '.join(may_be_more)}")
    return "; ".join(parts)


def _verdicts(points: Sequence[Point]) -> Iterator[str]:
    """A line for each verdict about bits per parameter."""
    judged: dict[Verdict, list[str]] = {found: [] for found in Verdict}
    for each in points:
        reference, gap = reference_of(each, points), difference_to_reference(each, points)
        if reference and gap:
            amount = f"{each.name} {gap.words(PER_PARAMETER.signed)}"
            judged[verdict(gap, each, reference)].append(amount)
    for found, amounts in judged.items():
        if amounts:
            start = f"against {REFERENCE}, bits per parameter, {found.value}"
            yield f"{start}: {', '.join(amounts)}"


def _amount(point: Point, column: str) -> str:
    start = "at least " if point.is_lower_bound else ""
    return f"{start}{getattr(point, column).words(FORM)}"


def _card(points: Sequence[Point]) -> Card:
    known = [each for each in points if each.is_above_guess]
    title, meaning = points[0].size, "most memorised per parameter"
    if not known:
        words = Text("nothing is memorised beyond doubt", is_warning=True)
        return Card(title=title, meaning=meaning, value="none", lines=[words])
    best = max(known, key=lambda each: each.per_parameter.value)
    lines = [Text(f"{best.name}, {best.model}"), Text(f"95 %: {best.per_parameter.span(FORM)}")]
    if best.is_lower_bound:
        doubts = [] if best.has_converged else [f"{unconverged(best.runs)} had not converged"]
        doubts += ["data-limited"] * best.is_data_limited
        lines.append(Text(f"a lower bound: {', '.join(doubts)}", is_warning=True))
    if (gap := difference_to_reference(best, points)) is not None:
        lines.append(Text(f"less {REFERENCE}: {gap.words(PER_PARAMETER.signed)}"))
    return Card(
        title=title, meaning=meaning, value=FORM.format(best.per_parameter.value),
        unit=PER_PARAMETER.unit, lines=lines,
    )  # fmt: skip


def _by_architecture(sizes: Sequence[Sequence[Point]]) -> Plot:
    """Plot bits per parameter, a row an architecture, a panel a size; most memorised on top."""
    names = {points[0].size: [each.name for each in points] for points in sizes}

    def name_rows(axes_of: Mapping[Any, Axes]) -> None:
        for size, axes in axes_of.items():
            axes.set_yticks(range(len(names[size])), names[size])
            axes.set_ylim(len(names[size]) - 0.5, -0.5)

    means, single = _marks(sizes, x="per_parameter", y="place")
    return Plot(
        name="architectures",
        title=_title([each for points in sizes for each in points if each.is_above_guess]),
        caption=CAPTION,
        panel="size",
        shares_y=False,
        x=Axis(label=PER_PARAMETER.label),
        y=Axis(label=""),
        finish=name_rows,
        layers=[
            Layer(label="a run", look={"color": GREY, **FAINT}, **single),
            Layer(label="mean over seeds", look={"color": PALETTE[0]}, **means),
        ],
    )


def _title(known: Sequence[Point]) -> str:
    """State the span of all sizes and architectures."""
    if not known:
        return "No architecture memorises anything beyond doubt"
    values = [each.per_parameter.value for each in known]
    bounds = ", lower bounds among them" if any(each.is_lower_bound for each in known) else ""
    return f"Architectures memorise {between(values, '{:.2f}')} bits per parameter{bounds}"


def _by_flops(sizes: Sequence[Sequence[Point]]) -> Plot:
    """Plot the same against FLOPs of a token, a panel a size."""
    by: dict[str, Any] = {"hue": "architecture", "style": "architecture"}
    means, single = _marks(sizes, x="flops", y="per_parameter")
    return Plot(
        name="flops",
        title="Bits memorised per parameter, against FLOPs of a token forwards",
        caption=f"{FLOPS_CAPTION}{CAPTION}",
        panel="size",
        shares_x=False,
        x=Axis(label="FLOPs of a token forwards", is_log=True),
        y=Axis(label=PER_PARAMETER.label),
        layers=[Layer(**means, **by), Layer(look=FAINT, **single, **by)],
    )


def _marks(sizes: Sequence[Sequence[Point]], **axes: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parts of a layer of means over seeds, and of one of single runs."""
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
    of = axes | {
        "hollow": "is_open", "hollow_label": "a lower bound: not converged, or data-limited",
    }  # fmt: skip
    return {"frame": tidy(means).with_columns(ends), **of}, {"frame": tidy(single), **of}


def _table(points: Sequence[Point]) -> Table:
    def stored(each: Point) -> Cell | float:
        share = each.stored_share
        return warning(f"{share:.0%}", "data-limited") if each.is_data_limited else share

    def of_memorised(metric: str, value: str) -> Column:
        return Column("memorised", value, unit=METRICS[metric].unit, form=FORM)

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
            Column("memorised", "memorised_bits", unit=f"bits, {INTERVAL}", form="{:,.0f}"),
            of_memorised("bits_per_parameter", "per_parameter"),
            Column(
                f"less {REFERENCE}", lambda each: difference_to_reference(each, points),
                unit=PER_PARAMETER.unit, form=PER_PARAMETER.signed, missing="not compared",
            ),
            of_memorised("bits_per_active_parameter", "per_active_parameter"),
            of_memorised("bits_per_forward_flop", "per_flop"),
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
