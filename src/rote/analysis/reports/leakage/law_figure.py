"""F1 of the loss attack against data over size, with the law, its band and its residuals."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from rote.analysis.drawing import (
    GREY,
    INK,
    Drawing,
    Handle,
    in_house_style,
    legend_below,
    line_key,
    new_figure,
    plain_ratios,
    render,
)
from rote.analysis.fits.membership_law import Curve, MembershipLaw, Reading
from rote.analysis.reports.leakage.law import Fitted
from rote.analysis.reports.leakage.looks import colours_of, mark, size_keys, unconverged_key
from rote.analysis.reports.leakage.membership_wording import law_title
from rote.analysis.reports.leakage.study import Study

MARGIN = 1.4  # times the extremes of the runs, to each side
AXIS_LABELS = {
    Reading.SAMPLES_PER_PARAMETER: "samples a parameter, |D| / P",
    Reading.CAPACITY_BITS_PER_SAMPLE: "bits of capacity a sample, C / |D|",
}


@in_house_style
def draw_law(found: Study) -> Drawing:
    """A column a reading; more data are on the right in both."""
    title = law_title(found)
    figure = new_figure(height_inches=5.8, title=title)
    grid = figure.subplots(
        2, len(found.laws), sharex="col", sharey="row", squeeze=False, height_ratios=[3, 1]
    )
    for fitted, (curve, residuals) in zip(found.laws, grid.T, strict=True):
        _plot(found, fitted, curve)
        _plot_residuals(found, fitted, residuals)
        residuals.set_xlabel(AXIS_LABELS[fitted.reading])
        if fitted.reading is Reading.CAPACITY_BITS_PER_SAMPLE:
            residuals.invert_xaxis()
    grid[0, 0].set_ylabel("F1, classes balanced")
    grid[1, 0].set_ylabel("less the law")
    grid[1, 0].margins(y=0.15)
    figure.align_ylabels()
    legend_below(figure, _keys(found), num_columns=4)
    return render(figure, name="membership_law", alt=title)


def _keys(found: Study) -> list[Handle]:
    return [
        *size_keys(found),
        unconverged_key(),
        line_key("law, fitted", color=INK),
        Patch(facecolor=INK, alpha=0.15, label="its 95 % band"),
        line_key("law, published", color=GREY, linestyle="--"),
    ]


def _plot(found: Study, fitted: Fitted, axes: Axes) -> None:
    least, greatest = fitted.ratios
    ratios = np.geomspace(least / MARGIN, greatest * MARGIN, 300)
    axes.set_xscale("log")
    axes.plot(ratios, fitted.published.at(ratios), color=GREY, linestyle="--", linewidth=1)
    if isinstance(fitted.law, MembershipLaw):
        low, high = fitted.law.interval(*_of_ratio(fitted.published, ratios))
        axes.fill_between(ratios, low, high, color=INK, alpha=0.15, linewidth=0)
        axes.plot(ratios, fitted.law.curve.at(ratios), color=INK)
    else:
        axes.set_title("no law fitted")
    for series, colour in colours_of(found).items():
        runs = fitted.runs.filter(pl.col("series") == series)
        axes.vlines(runs["ratio"], runs["f1_low"], runs["f1_high"], color=colour, linewidth=0.8)
        for converged in (True, False):
            marks = runs.filter(pl.col("training.converged") == converged)
            mark(axes, marks["ratio"], marks["f1"], colour, converged=converged)
    axes.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylim(0.42, 1.03)
    plain_ratios(axes.xaxis)


def _of_ratio(curve: Curve, ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Samples and sizes that have these ratios."""
    ones = np.ones_like(ratios)
    falls_away = curve.reading is Reading.SAMPLES_PER_PARAMETER
    return (ratios, ones) if falls_away else (ones, ratios)


def _plot_residuals(found: Study, fitted: Fitted, axes: Axes) -> None:
    axes.axhline(0, color=GREY, linewidth=0.8)
    if not isinstance(fitted.law, MembershipLaw):
        return
    runs = fitted.runs.with_columns(residual=pl.Series(fitted.law.residuals))
    for series, colour in colours_of(found).items():
        for converged in (True, False):
            marks = runs.filter(
                pl.col("series") == series, pl.col("training.converged") == converged
            )
            mark(axes, marks["ratio"], marks["residual"], colour, converged=converged, size=3.5)
