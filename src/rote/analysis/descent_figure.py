"""The figure of double descent: train and held-out loss over data bits per capacity."""

import math
from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from rote.analysis.descents import Descent
from rote.analysis.drawing import (
    ACCENT,
    GREY,
    PALETTE,
    Drawing,
    Handle,
    in_house_style,
    label_outside,
    legend_below,
    line_key,
    new_figure,
    panels,
    plain_ratios,
    render,
)
from rote.analysis.fits.descent import Peak
from rote.analysis.quantities.convergence import NOT_CONVERGED

TRAIN, HELDOUT = PALETTE[0], PALETTE[2]


@in_house_style
def draw_descents(curves: Sequence[Descent], *, title: str) -> Drawing:
    """One panel a series: means over seeds as lines, every run a mark, the peak and its resamples.

    A hollow mark is a run that had not converged when training ended.
    """
    num_columns = min(2, len(curves))
    num_rows = math.ceil(len(curves) / num_columns)
    figure = new_figure(height_inches=1.6 + 2.5 * num_rows, title=title)
    grid = panels(figure, len(curves), num_columns=num_columns, sharey=False)
    for curve, axes in zip(curves, grid, strict=True):
        _plot(axes, curve)
    label_outside(figure, grid, x="data bits / capacity", y="loss (bits per token)")
    handles: list[Handle] = [
        line_key("held-out", color=HELDOUT, marker="o"),
        line_key("train", color=TRAIN, marker="o"),
        line_key(NOT_CONVERGED, color=GREY, linestyle="none", marker="o",
                 markerfacecolor="white"),
        line_key("data bits = capacity", color=GREY, linestyle=":"),
        line_key("peak of held-out loss", color=ACCENT, linestyle="--"),
        Patch(facecolor=ACCENT, alpha=0.2, label="in 95 % of resamples"),
    ]  # fmt: skip
    legend_below(figure, handles, num_columns=3)
    return render(figure, name="double_descent", alt=title)


def _plot(axes: Axes, curve: Descent) -> None:
    axes.set_title(curve.name, fontsize=8)
    axes.set_xscale("log")
    for column, colour in (("heldout_bits_per_token", HELDOUT), ("train_bits_per_token", TRAIN)):
        means = (
            curve.runs.group_by("task.num_sequences", maintain_order=True)
            .agg(pl.col("data_per_capacity").mean(), pl.col(column).mean())
            .sort("data_per_capacity")
        )
        axes.plot(means["data_per_capacity"], means[column], color=colour)
        for converged in (True, False):
            marks = curve.runs.filter(pl.col("training.converged") == converged)
            axes.plot(
                marks["data_per_capacity"],
                marks[column],
                linestyle="none",
                marker="o",
                markersize=3.5,
                color=colour,
                markerfacecolor=colour if converged else "white",
            )
    axes.axvline(1.0, color=GREY, linestyle=":", linewidth=1)
    if isinstance(curve.fit, Peak):
        axes.axvline(curve.fit.ratio, color=ACCENT, linestyle="--", linewidth=1)
        axes.axvspan(*curve.fit.resampled, color=ACCENT, alpha=0.2, linewidth=0)
    axes.set_ylim(bottom=0)
    plain_ratios(axes.xaxis)
