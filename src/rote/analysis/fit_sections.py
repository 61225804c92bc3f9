"""Laws through runs, for a page: a section, a figure and plain numbers each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from math import isfinite
from typing import Any

from rote.analysis.content import Section
from rote.analysis.drawing import Drawing
from rote.analysis.elements import figure, number_cell, scrolled, table, text_cell
from rote.analysis.fit_figure import draw_fit
from rote.analysis.fit_wording import goodness, lines, method
from rote.analysis.laws import kinds
from rote.analysis.laws.law import Effort, Fitted, Law, Measured
from rote.watching import Show


@dataclass(frozen=True, kw_only=True)
class Through:
    """A law, what it was fitted to and what came of it."""

    name: str
    law: Law
    measured: Measured
    fitted: Fitted


@dataclass(frozen=True, kw_only=True)
class NotFitted:
    """A law that these runs cannot tell."""

    name: str
    reason: str


Columns = Callable[[Law], Measured]  # raises ValueError where a column is missing


def fit_laws(
    names: Sequence[str], columns: Columns, effort: Effort, show: Show
) -> list[Through | NotFitted]:
    """Each law, or the reason why there is none."""
    of_several = len(names) if len(names) > 1 else None
    found = []
    for number, name in enumerate(names):
        show(f"fitting {name}", number, of_several)
        found.append(_fit(name, columns, effort))
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
    return draw_fit(through.fitted, through.measured)


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


def _fit(name: str, columns: Columns, effort: Effort) -> Through | NotFitted:
    law = kinds.law(name)
    try:
        measured = columns(law)
        return Through(name=name, law=law, measured=measured, fitted=law.fit(measured, effort))
    except ValueError as error:
        return NotFitted(name=name, reason=str(error).removeprefix(f"law {name}: "))


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
