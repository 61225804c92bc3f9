"""Present laws fitted to runs: a ranking by explained variance, and each law with its figure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from html import escape
from math import isfinite
from operator import attrgetter
from typing import Any

import polars as pl

from rote.analysis.estimate import Interval, plural, span
from rote.analysis.fit_figure import fit_plot, shown_name
from rote.analysis.laws import kinds
from rote.analysis.laws.law import Constant, FitEffort, FittedLaw, Law, LawData, RunCount
from rote.analysis.metrics import METRICS
from rote.analysis.page import Block, Section, Text
from rote.analysis.quantities.scaling import FORMAT, doubts, formats, measured
from rote.analysis.table import Cell, Column, Table, Value
from rote.core.progress import Progress

FORM = "{:.4g}"
HEADLINED = ("R_D", "a", "alpha_N", "alpha", "slope")  # the first that a law has is shown
USEFUL = 0.5  # share of the variance of ln(output); laws that explain less are shown small
INCHES = {True: 2.6, False: 1.5}  # height of the figure of a law that is useful, or not
LOSS_NOTE = "In formulas L is in nats per token; figures have bits per token, 1.443 for each nat."


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Runs to fit laws to; each number format (precision) is fitted separately."""

    columns: Callable[[Law, str], LawData]  # data of one format; ValueError if a column is missing
    formats: tuple[str, ...] = ("",)  # names; a single one is not shown
    doubts: Callable[[Law, str], list[str]] = lambda law, number_format: []


@dataclass(frozen=True, kw_only=True)
class Through:
    """A law, the data that it was fitted to, and the fit."""

    name: str  # with the number format if there are several
    law: Law
    measured: LawData
    fitted: FittedLaw

    @property
    def is_useful(self) -> bool:
        """Whether it explains most of the variance between the runs."""
        return self.fitted.goodness.explained >= USEFUL

    @property
    def constants(self) -> tuple[Constant, ...]:
        """Constants first, then values derived from them."""
        return (*self.fitted.constants, *self.fitted.derived)

    @property
    def headlined(self) -> Constant:
        """The constant of most interest."""
        named = {each.name: each for each in self.constants}
        found = (named[name] for name in HEADLINED if name in named)
        return next(found, self.fitted.constants[-1])


@dataclass(frozen=True, kw_only=True)
class NotFitted:
    """A law that cannot be fitted to these runs."""

    name: str
    reason: str


def runs_of(table: pl.DataFrame, count: RunCount) -> Runs:
    """Return the runs of a sweep from `rote.analysis.quantities.scaling.scaling_runs`."""

    def of(number_format: str) -> pl.DataFrame:
        return table.filter(pl.col(FORMAT) == number_format)

    return Runs(
        columns=lambda law, number_format: measured(of(number_format), law, count),
        formats=formats(table),
        doubts=lambda law, number_format: doubts(of(number_format), law),
    )


def fit_laws(
    names: Sequence[str], runs: Runs, effort: FitEffort, progress: Progress
) -> tuple[list[Through], list[NotFitted]]:
    """Fit each law in each number format, the best first; also return why others failed."""
    asked = [(name, number_format) for name in names for number_format in runs.formats]
    fitted: list[Through] = []
    others: list[NotFitted] = []
    for number, (name, number_format) in enumerate(asked):
        progress(f"fitting {name}", number, len(asked) if len(asked) > 1 else None)
        law = kinds.law(name)
        label = f"{name}, {number_format}" if len(runs.formats) > 1 else name
        try:
            found = runs.columns(law, number_format)
            fit = law.fit(found, effort)
            fit = replace(fit, warnings=(*runs.doubts(law, number_format), *fit.warnings))
        except ValueError as error:
            others.append(NotFitted(name=label, reason=str(error).removeprefix(f"law {name}: ")))
        else:
            fitted.append(Through(name=label, law=law, measured=found, fitted=fit))
    return sorted(fitted, key=lambda each: -each.fitted.goodness.explained), others


def ranking(fitted: Sequence[Through]) -> Table:
    """Build a table with one row per law: how much it explains, and its main constant."""

    def explained(each: Through) -> Value:
        share, below = f"{each.fitted.goodness.explained:.2%}", "" if each.is_useful else "little"
        return Cell(text=share, below=below, is_text=False, is_warning=not each.is_useful)

    return Table(
        rows=fitted,
        columns=[
            Column("law", "name"),
            Column("of", lambda each: METRICS[shown_name(each.fitted.output)].title),
            Column("explained", explained, unit="of the variance of its logarithm"),
            Column("residuals", lambda each: each.fitted.goodness.rms_log_residual,
                   unit="rms, of the logarithm", form="{:.2%}"),
            Column("main constant", lambda each: f"{each.headlined.name} = "
                   f"{FORM.format(each.headlined.value)}"),
            _interval("", lambda each: each.headlined.interval),
            Column("runs", lambda each: each.fitted.goodness.num_points),
            Column("constants", lambda each: each.fitted.goodness.num_constants),
            Column("warnings", lambda each: len(each.fitted.warnings)),
        ],
    )  # fmt: skip


def sections(fitted: Iterable[Through], others: Sequence[NotFitted]) -> list[Section]:
    """Return one section per law, and one for the laws that were not fitted."""
    made = [section(each) for each in fitted]
    if others:
        table = Table(columns=[Column("law", "name"), Column("why not", "reason")], rows=others)
        made.append(Section("Laws that cannot be fitted to these runs", [table]))
    return made


def section(through: Through) -> Section:
    """Show formula, constants with their intervals, warnings and figure."""
    law, fitted = through.law, through.fitted
    formula = f"<code>{escape(fitted.formula)}</code> ({escape(law.source)})"
    figure = fit_plot(
        f"fit-{through.name.replace(', ', '-')}", fitted, through.measured,
        title=headline(through), inches=INCHES[through.is_useful],
        caption=escape(f"Points: {law.runs.value}. Curves: {method(fitted)}."),
    )  # fmt: skip
    blocks: list[Block] = [
        Text(formula, is_html=True), Text(f"{goodness(fitted)}. {method(fitted)}."),
        constants(through), Text(items=fitted.checks), Text(items=fitted.warnings, is_warning=True),
        figure,
    ]  # fmt: skip
    return Section(f"Law: {through.name}", blocks)


def constants(through: Through) -> Table:
    """List each constant with its intervals, beside published values."""
    published = [
        Column(source.partition(",")[0], partial(_published, curve), unit="published", form=FORM,
               missing="none")
        for source, curve in through.law.published.items()
    ]  # fmt: skip
    return Table(
        rows=through.constants,
        columns=[
            Column("constant", "name"),
            Column("meaning", "meaning"),
            Column("value", "value", form=FORM),
            Column("standard error", "standard_error", form=FORM, missing="none"),
            _interval("profile", attrgetter("profile_interval")),
            _interval("bootstrap", attrgetter("bootstrap_interval")),
            *published,
        ],
    )  # fmt: skip


def _interval(unit: str, interval: Callable[[Any], Interval | None]) -> Column:
    return Column("95 %", lambda row: span(interval(row), FORM) or "none", unit=unit,
                  is_number=True)  # fmt: skip


def _published(curve: object, constant: Constant) -> float | None:
    """Return a constant or property of that name; most derived values have none."""
    value = getattr(curve, constant.name, None)
    return value if isinstance(value, int | float) else None


def headline(through: Through) -> str:
    """State the main constant; for a law that explains little, only how much it explains."""
    fitted, main = through.fitted, through.headlined
    points = f"{fitted.law}, {plural(fitted.goodness.num_points, 'point')}"
    if not through.is_useful:
        explained = f"{max(0.0, fitted.goodness.explained):.0%} of what differs between the runs"
        return f"{points}: explains {explained}, so that its constants say little"
    spanned = f" (95 %: {span(main.interval, FORM)})" if main.interval else ""
    return f"{points}: {main.name} = {FORM.format(main.value)}{spanned}"


def goodness(fitted: FittedLaw) -> str:
    """Describe the fit in one sentence."""
    good, output = fitted.goodness, METRICS[shown_name(fitted.output)].title
    return (
        f"{plural(good.num_points, 'point')}, {plural(good.num_constants, 'constant')}; "
        f"residuals of ln {output}: {good.rms_log_residual:.2%} rms, "
        f"{good.largest_log_residual:.2%} at most; {good.explained:.2%} of its variance explained"
    )


def method(fitted: FittedLaw) -> str:
    """Describe the method and the convention of counting parameters."""
    how = fitted.method[:1].upper() + fitted.method[1:]
    return f"{how}; parameters counted as {fitted.count.value}; intervals 95 %"


def numbers(through: Through) -> Mapping[str, Any]:
    """Return constants, intervals, goodness, ranges and warnings for JSON."""
    fitted = through.fitted
    found: dict[str, Any] = {
        "formula": fitted.formula,
        "source": through.law.source,
        "method": fitted.method,
        "fitted_to": through.law.runs.value,
        "parameters_counted": fitted.count.value,
        "inputs": fitted.inputs,
        "output": fitted.output,
        "constants": {each.name: asdict(each) for each in fitted.constants},
        "derived": {each.name: asdict(each) for each in fitted.derived},
        "goodness": asdict(fitted.goodness),
        "ranges": dict(fitted.ranges),
        "warnings": fitted.warnings,
        "resamples": len(fitted.resampled),
        **({"checks": fitted.checks} if fitted.checks else {}),
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def _plain(value: Any) -> Any:
    """Make values fit for JSON, which has no infinity: an unbounded end becomes null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value
