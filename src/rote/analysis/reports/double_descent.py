"""Make the report on double descent: the peak of held-out loss, on random tokens and on text.

A curve is held-out loss over data bits per capacity, of one series; the report on text has it too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rote.analysis.estimate import between, extent, plural, span
from rote.analysis.figures import GREY, INK
from rote.analysis.fits.descent import GridPoint, Peak, fit_descent
from rote.analysis.fits.search import NoFit
from rote.analysis.marks import Layer, runs_and_means
from rote.analysis.metrics import METRICS
from rote.analysis.page import Card, Content, Section, Text
from rote.analysis.plot import Axis, Plot, means, tidy
from rote.analysis.quantities.convergence import (
    NOT_CONVERGED,
    converged,
    loss_quantities,
    num_converged,
)
from rote.analysis.quantities.references import text_runs, with_unintended
from rote.analysis.quantities.settings import with_series
from rote.analysis.results import Results
from rote.analysis.runs_table import runs_section
from rote.analysis.table import Column, Table, warning
from rote.core.arrays import Floats

MAX_BLOCKS = 1000  # more held-out sequences are resampled in blocks: 8 MB a resampling
RATIO = "data_per_capacity"
LOSSES = {"held-out": "heldout_bits_per_token", "train": "train_bits_per_token"}
CAPTION = (
    "Loss in bits per token against the bits of the training data over the model's capacity, "
    "alpha times parameters. Small marks are runs; lines join means over seeds, with 95 % "
    "intervals (Student's t). The peak is the top "
    "of a parabola, in the logarithm of the ratio, through the highest mean of held-out loss and "
    "its neighbours; its bar is a 95 % bootstrap interval over runs and held-out sequences, with "
    "half the spacing of the grid on each side, for nothing finer was measured. "
    "A curve without a peak inside the grid has none drawn. "
    "Published: Morris et al. 2025, section 4, see held-out loss fall only once the data exceed "
    "capacity, and double descent peak where data bits and capacity are about equal."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Descent:
    """The runs of one series, by data size, and the peak of their held-out loss."""

    source: str  # "random tokens" or "text"
    series: str
    runs: pl.DataFrame
    fit: Peak | NoFit

    @property
    def name(self) -> str:
        """A name that is unique within a report."""
        return f"{self.source}, {self.series}"

    @property
    def peak(self) -> Peak | None:
        """The peak, or None if the grid has none inside."""
        return self.fit if isinstance(self.fit, Peak) else None

    @property
    def num_unconverged(self) -> int:
        """Number of runs that had not converged when training ended."""
        return self.runs.height - num_converged(self.runs)


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
            Section("Where held-out loss turns", [descents_table(curves), Text(axis_note(curves))]),
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
    value, unit, beside = "no peak", "", fit.reason if isinstance(fit, NoFit) else ""
    if isinstance(fit, Peak):
        value, unit = f"{fit.ratio:.2f}", METRICS[RATIO].title
        beside = f"95 % interval {span(fit.interval, '{:.2f}')}"
    doubt = Text(converged(curve.runs), is_warning=curve.num_unconverged > 0)
    return Card(
        title=curve.name, meaning="where held-out loss peaks", value=value, unit=unit,
        lines=[Text(beside), doubt],
    )  # fmt: skip


def descents(results: Results, runs: pl.DataFrame) -> tuple[Descent, ...]:
    """Fit every series among ``runs``, which have the columns of losses and series."""
    return tuple(
        Descent(source=source, series=series, runs=group, fit=fit_descent(_points(results, group)))
        for (source, series), group in runs.group_by("source", "series", maintain_order=True)
    )


def _points(results: Results, runs: pl.DataFrame) -> list[GridPoint]:
    return [
        GridPoint(
            ratio=float(np.mean(point[RATIO].to_numpy())),
            losses_KM=np.stack([_losses(results, run) for run in point.iter_rows(named=True)]),
        )
        for point in runs.partition_by("task.num_sequences", maintain_order=True)
    ]


def _losses(results: Results, run: dict[str, Any]) -> Floats:
    """Return bits per token of every held-out sequence, or of every block of them, [M]."""
    code_bits_M = results.folders[run["run_id"]].arrays()["cost.heldout_code_bits"]
    losses_M: Floats = code_bits_M.astype(np.float64) / run["task.length"]
    if len(losses_M) <= MAX_BLOCKS:
        return losses_M
    each = len(losses_M) // MAX_BLOCKS
    return losses_M[: each * MAX_BLOCKS].reshape(MAX_BLOCKS, each).mean(axis=1)


def headline(curve: Descent) -> str:
    """State the peak with its interval, or why there is none, and any doubts."""
    seeds = "; one seed" if curve.runs["seed"].n_unique() == 1 else ""
    if isinstance(curve.fit, NoFit):
        finding = f"no interior peak: {curve.fit.reason}"
    else:
        below, above = curve.fit.bracket
        finding = (
            f"held-out loss peaks where data bits are {curve.fit.ratio:.2f} of capacity "
            f"(95 % interval {span(curve.fit.interval, '{:.2f}')}, "
            f"between grid points {below:.2f} and {above:.2f})"
        )
    return f"{curve.name}: {finding}; {converged(curve.runs)}{seeds}"


def overall(curves: Sequence[Descent]) -> str:
    """State the finding over all series, as a figure's title."""
    peaks = [curve.peak.ratio for curve in curves if curve.peak]
    if not peaks:
        return "Held-out loss has no peak inside the grid"
    where = between(peaks, "{:.2f}")
    which = "" if len(peaks) == len(curves) else f" in {len(peaks)} of {len(curves)} series"
    missed = sum(curve.num_unconverged for curve in curves if curve.peak)
    doubt = f"; {plural(missed, 'run')} of these had not converged" if missed else ""
    return f"Held-out loss peaks where data bits are {where} of capacity{which}{doubt}"


def number(curve: Descent) -> dict[str, Any]:
    """Return the numbers for the manifest."""
    fit, runs = curve.fit, list(curve.runs["run_id"])
    if not isinstance(fit, Peak):
        return {RATIO: None, "reason": fit.reason, "runs": runs}
    return {RATIO: fit.ratio, "interval": fit.interval, "bracket": fit.bracket, "runs": runs}


def axis_note(curves: Sequence[Descent]) -> str:
    """State the sources of data bits and capacity."""
    bases = {curve.source: curve.runs["data_bits_basis"][0] for curve in curves}
    alphas = {
        f"{curve.runs['alpha'][0]:.2f} bits per parameter ({curve.runs['alpha_source'][0]})"
        for curve in curves
    }
    data = "; ".join(f"for {source}, {basis}" for source, basis in bases.items())
    return f"Data bits: {data}. Capacity: {'; '.join(sorted(alphas))}."


def descents_table(curves: Sequence[Descent]) -> Table:
    """Build the table, one row per series."""

    def of_peak(title: str, value: Callable[[Peak], Any], unit: str, form: str = "") -> Column:
        return Column(
            title, lambda curve: curve.peak and value(curve.peak), unit=unit, form=form,
            missing="none",
        )  # fmt: skip

    tokens, loss = "bits per token", "{:.3f}"
    return Table(
        rows=curves,
        columns=[
            Column("source", "source"),
            Column("series", "series", unit="layers x width"),
            Column("finding", lambda curve: "interior peak" if curve.peak
                   else warning(f"none: {curve.fit.reason}")),
            of_peak("peak", lambda peak: peak.ratio, METRICS[RATIO].title, "{:.2f}"),
            of_peak("95 % interval", lambda peak: (span(peak.interval, "{:.2f}"),
                    f"{peak.interior_share:.0%}"), "resamples with an interior peak"),
            of_peak("grid points beside it", lambda peak: span(peak.bracket, "{:.2f}"), ""),
            of_peak("held-out loss there", lambda peak: peak.loss_bits_per_token, tokens, loss),
            of_peak("rise from the smallest data set", lambda peak: peak.rise_bits_per_token,
                    tokens, loss),
            of_peak("fall to the largest", lambda peak: peak.fall_bits_per_token, tokens, loss),
            Column("runs", lambda curve: (curve.runs.height, f"{curve.num_unconverged:,}"),
                   unit="not converged"),
        ],
    )  # fmt: skip


def descents_plot(curves: Sequence[Descent]) -> Plot:
    """Plot train and held-out loss, one panel per series."""
    runs = pl.concat(
        curve.runs.select(
            RATIO, "task.num_sequences", loss=column, split=pl.lit(split),
            panel=pl.lit(curve.name), unconverged=~pl.col("training.converged"),
        )
        for curve in curves
        for split, column in LOSSES.items()
    )  # fmt: skip
    by = ["panel", "split", "task.num_sequences"]
    alike = [pl.col(RATIO).mean().over(by), pl.col("unconverged").any().over(by)]
    averages = means(runs.with_columns(alike), "loss", by=[*by, RATIO, "unconverged"])
    peaks = tidy(
        {"panel": curve.name, RATIO: curve.peak.ratio, "loss": curve.peak.loss_bits_per_token}
        | dict(zip((f"{RATIO}_low", f"{RATIO}_high"), curve.peak.interval, strict=True))
        for curve in curves
        if curve.peak
    )
    looks: dict[str, Any] = {"x": RATIO, "y": "loss", "hue": "split"}
    return Plot(
        name="double_descent",
        title=overall(curves),
        caption=CAPTION,
        panel="panel",
        panel_inches=2.5,
        shares_y=False,
        x=Axis(label=METRICS[RATIO].label, is_log=True, form="ratio"),
        y=Axis(label="loss (bits per token)"),
        layers=[
            *runs_and_means(
                runs, averages, hollow="unconverged", hollow_label=NOT_CONVERGED, **looks
            ),
            Layer(
                frame=pl.DataFrame({RATIO: [1.0]}), kind="upright", x=RATIO,
                label="data bits = capacity", look={"linestyle": ":", "color": GREY},
            ),
            Layer(
                frame=peaks, x=RATIO, y="loss", label="peak of held-out loss, 95 % interval",
                look={"color": INK, "marker": "*", "markersize": 9, "zorder": 3},
            ),
        ],
    )  # fmt: skip
