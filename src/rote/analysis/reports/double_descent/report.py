"""The report on double descent: where held-out loss turns, for random tokens and for text."""

import polars as pl

from rote.analysis import descent_wording as wording
from rote.analysis.content import Content, Section
from rote.analysis.descent_figure import draw_descents
from rote.analysis.descents import Descent, descents
from rote.analysis.elements import card, extent, figure, scrolled
from rote.analysis.estimate import span
from rote.analysis.fits.descent import NoPeak, Peak
from rote.analysis.pairing import text_runs, with_unintended
from rote.analysis.quantities.convergence import converged
from rote.analysis.quantities.losses import loss_quantities
from rote.analysis.quantities.series import with_series
from rote.analysis.results import Results
from rote.analysis.runs_table import runs_section


def make(results: Results) -> Content:
    """Raises ValueError where no run is on a train pool or one was not scored (measure cost)."""
    runs = with_series(loss_quantities(_paired(results), results.alphas))
    shown = runs.filter(pl.col("task.pool").fill_null("train") == "train")
    curves = descents(results, shown)
    drawing = draw_descents(curves, title=wording.overall(curves))
    return Content(
        headlines=tuple(wording.headline(curve) for curve in curves),
        setting=_setting(shown),
        cards=tuple(_card(curve) for curve in curves),
        sections=(
            Section(
                title="Where held-out loss turns",
                html=scrolled(wording.descents_table(curves)) + wording.axis_note(curves),
            ),
            Section(title="Figure", html=figure(drawing, wording.CAPTION)),
            runs_section(runs),
        ),
        drawings=(drawing,),
        numbers={f"peak {curve.name}": wording.number(curve) for curve in curves},
        table=runs,
        arrays_of=tuple(runs["run_id"]),
    )


def _paired(results: Results) -> pl.DataFrame:
    """All runs; those on text with what the oracle says of their data, where there is one."""
    table = results.table
    if table.is_empty():
        raise ValueError("no finished run to report on")
    text = text_runs(table)
    if text.is_empty():
        return table.with_columns(pl.lit(None, pl.String).alias("task.pool"))
    rest = table.filter(~pl.col("run_id").is_in(text["run_id"].implode()))
    return pl.concat([rest, with_unintended(results, text)], how="diagonal")


def _card(curve: Descent) -> str:
    fit = curve.fit
    value, beside = "no peak", fit.reason if isinstance(fit, NoPeak) else ""
    if isinstance(fit, Peak):
        value, beside = f"{fit.ratio:.2f}", f"95 % interval {span(fit.interval, '{:.2f}')}"
    return card(
        title=curve.series,
        meaning=curve.source,
        value=value,
        unit="data bits over capacity",
        lines=(f"<p>{beside}</p>", f"<p>{converged(curve.runs)}</p>"),
    )


def _setting(runs: pl.DataFrame) -> str:
    return (
        f"{extent(runs['task.num_sequences'])} sequences; models of "
        f"{extent(runs['parameters'])} parameters; {runs['seed'].n_unique()} seed(s)."
    )
