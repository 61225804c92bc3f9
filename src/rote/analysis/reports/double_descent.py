"""Make the report on double descent: the peak of held-out loss, on random tokens and on text."""

import polars as pl

from rote.analysis.descents import (
    RATIO,
    Descent,
    axis_note,
    descents,
    descents_plot,
    descents_table,
    headline,
    number,
)
from rote.analysis.estimate import extent, plural, span
from rote.analysis.fits.descent import NoPeak, Peak
from rote.analysis.metrics import METRICS
from rote.analysis.page import Card, Content, Section, Text
from rote.analysis.quantities.convergence import converged, loss_quantities
from rote.analysis.quantities.references import text_runs, with_unintended
from rote.analysis.quantities.settings import with_series
from rote.analysis.results import Results
from rote.analysis.runs_table import runs_section


def make(results: Results) -> Content:
    """Make it; raises ValueError if no run is on a train pool or one has no cost (measure cost)."""
    runs = with_series(loss_quantities(_paired(results), results.alphas))
    shown = runs.filter(pl.col("task.pool").fill_null("train") == "train")
    curves = descents(results, shown)
    return Content(
        headlines=tuple(map(headline, curves)),
        setting=(
            f"{extent(shown['task.num_sequences'])} sequences; models of "
            f"{extent(shown['parameters'])} parameters; "
            f"{plural(shown['seed'].n_unique(), 'seed')}."
        ),
        cards=tuple(map(_card, curves)),
        lead=descents_plot(curves),
        sections=(
            Section(
                title="Where held-out loss turns",
                blocks=[descents_table(curves), Text(axis_note(curves))],
            ),
            runs_section(runs),
        ),
        numbers={f"peak {curve.name}": number(curve) for curve in curves},
        table=runs,
        arrays_of=tuple(runs["run_id"]),
    )


def _paired(results: Results) -> pl.DataFrame:
    """Return all runs; runs on text get the code length of their data under an oracle."""
    table = results.table
    if table.is_empty():
        raise ValueError("no finished run to report on")
    text = text_runs(table)
    if text.is_empty():
        return table.with_columns(pl.lit(None, pl.String).alias("task.pool"))
    rest = table.filter(~pl.col("run_id").is_in(text["run_id"].implode()))
    return pl.concat([rest, with_unintended(results, text)], how="diagonal")


def _card(curve: Descent) -> Card:
    fit = curve.fit
    value, unit, beside = "no peak", "", fit.reason if isinstance(fit, NoPeak) else ""
    if isinstance(fit, Peak):
        value, unit = f"{fit.ratio:.2f}", METRICS[RATIO].title
        beside = f"95 % interval {span(fit.interval, '{:.2f}')}"
    doubt = Text(converged(curve.runs), is_warning=curve.num_unconverged > 0)
    return Card(
        title=curve.name, meaning="where held-out loss peaks", value=value, unit=unit,
        lines=[Text(beside), doubt],
    )  # fmt: skip
