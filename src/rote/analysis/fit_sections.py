"""Laws through runs, for a page: a section, a figure and plain numbers each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from math import isfinite
from typing import Any

import polars as pl

from rote.analysis.content import Section
from rote.analysis.drawing import Drawing
from rote.analysis.elements import figure, number_cell, scrolled, table, text_cell
from rote.analysis.fit_figure import draw_fit
from rote.analysis.fit_wording import goodness, lines, method
from rote.analysis.laws import kinds
from rote.analysis.laws.law import Count, Effort, Fitted, Law, Measured
from rote.analysis.quantities.scaling import FORMAT, doubts, formats, measured
from rote.watching import Show


@dataclass(frozen=True, kw_only=True)
class Runs:
    """What laws are fitted to; each number format (precision) is fitted apart from the others."""

    columns: Callable[[Law, str], Measured]  # of one format; ValueError where a column is missing
    formats: tuple[str, ...] = ("",)  # names; one, empty or not, needs no telling apart
    doubts: Callable[[Law, str], list[str]] = lambda law, number_format: []


@dataclass(frozen=True, kw_only=True)
class Through:
    """A law, what it was fitted to and what came of it."""

    name: str  # with the number format where there are several
    law: Law
    measured: Measured
    fitted: Fitted


@dataclass(frozen=True, kw_only=True)
class NotFitted:
    """A law that these runs cannot tell."""

    name: str
    reason: str


def runs_of(table: pl.DataFrame, count: Count) -> Runs:
    """Of a sweep, as `rote.analysis.quantities.scaling.scaling_runs` gives them."""

    def of(number_format: str) -> pl.DataFrame:
        return table.filter(pl.col(FORMAT) == number_format)

    return Runs(
        columns=lambda law, number_format: measured(of(number_format), law, count),
        formats=formats(table),
        doubts=lambda law, number_format: doubts(of(number_format), law),
    )


def fit_laws(
    names: Sequence[str], runs: Runs, effort: Effort, show: Show
) -> list[Through | NotFitted]:
    """Each law in each number format, or the reason why there is none."""
    asked = [(name, number_format) for name in names for number_format in runs.formats]
    of_several = len(asked) if len(asked) > 1 else None
    found = []
    for number, (name, number_format) in enumerate(asked):
        show(f"fitting {name}", number, of_several)
        found.append(_fit(name, number_format, runs, effort))
    return found


def section(through: Through, drawing: Drawing) -> Section:
    """Formula, constants with their intervals, warnings and figure."""
    law, fitted = through.law, through.fitted
    warned = "".join(f'<li class="bound">{escape(each)}</li>' for each in fitted.warnings)
    html = (
        f"<p><code>{escape(fitted.formula)}</code> ({escape(law.source)})</p>"
        f"<p>{escape(goodness(fitted))}. {escape(method(fitted))}.</p>"
        f"{scrolled(_constants(law, fitted))}"
        + (f"<ul>{warned}</ul>" if warned else "")
        + figure(drawing, escape(f"Points: {law.runs.value}. Curves: {method(fitted)}."))
    )
    return Section(title=f"Law: {through.name}", html=html)


def drawn(through: Through) -> Drawing:
    """The figure of a section."""
    drawing = draw_fit(through.fitted, through.measured)
    return replace(drawing, name=f"fit-{through.name.replace(', ', '-')}")


def left_out(kept: Iterable[NotFitted]) -> Section:
    """Laws that were not fitted, and why."""
    rows = [[text_cell(each.name), text_cell(each.reason)] for each in kept]
    made = table([("law", ""), ("why not", "")], rows, text=("law", "why not"))
    return Section(title="Laws that these runs cannot tell", html=scrolled(made))


def numbers(through: Through) -> Mapping[str, Any]:
    """For JSON: constants, intervals, goodness, ranges, warnings."""
    fitted = through.fitted
    told: dict[str, Any] = {
        "formula": fitted.formula,
        "source": through.law.source,
        "method": fitted.method,
        "fitted_to": through.law.runs.value,
        "parameters_counted": fitted.count.value,
        "inputs": list(fitted.inputs),
        "output": fitted.output,
        "constants": {each.name: asdict(each) for each in fitted.constants},
        "derived": {each.name: asdict(each) for each in fitted.derived},
        "goodness": asdict(fitted.goodness),
        "ranges": {name: list(ends) for name, ends in fitted.ranges.items()},
        "warnings": list(fitted.warnings),
        "resamples": len(fitted.resampled),
    }
    return {name: _plain(value) for name, value in told.items()}


def _fit(name: str, number_format: str, runs: Runs, effort: Effort) -> Through | NotFitted:
    law = kinds.law(name)
    label = f"{name}, {number_format}" if len(runs.formats) > 1 else name
    try:
        measured = runs.columns(law, number_format)
        fitted = law.fit(measured, effort)
        warnings = (*runs.doubts(law, number_format), *fitted.warnings)
    except ValueError as error:
        return NotFitted(name=label, reason=str(error).removeprefix(f"law {name}: "))
    fitted = replace(fitted, warnings=warnings)
    return Through(name=label, law=law, measured=measured, fitted=fitted)


def _constants(law: Law, fitted: Fitted) -> str:
    headers = [
        ("constant", ""),
        ("meaning", ""),
        ("value", ""),
        ("standard error", ""),
        ("95 %", "profile"),
        ("95 %", "bootstrap"),
        *((source.partition(",")[0], "published") for source in law.published),
    ]
    rows = [
        [
            text_cell(line.name),
            text_cell(line.meaning),
            *map(number_cell, (line.value, line.standard_error, line.profile, line.bootstrap)),
            *map(number_cell, line.published),
        ]
        for line in lines(law, fitted)
    ]
    return table(headers, rows, text=("constant", "meaning"))


def _plain(value: Any) -> Any:
    """JSON knows no infinity: an end that nothing bounds is null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value
