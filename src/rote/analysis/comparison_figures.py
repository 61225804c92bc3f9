"""Two sweeps as figures: paired differences with their intervals, and the pairs themselves."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.patches import Patch

from rote.analysis.comparison import Compared, Comparison, Floats
from rote.analysis.comparison_wording import finding, scattered, sides
from rote.analysis.drawing import (
    ACCENT,
    GREY,
    INK,
    PALETTE,
    Drawing,
    Handle,
    in_house_style,
    legend_below,
    line_key,
    new_figure,
    render,
    short_numbers,
)

PAIR: dict[str, Any] = {
    "color": PALETTE[0],
    "linestyle": "none",
    "marker": "o",
    "markersize": 4.5,
    "alpha": 0.6,
}
BAND = 0.12  # opacity
PAIRS_HEIGHT, MEAN_HEIGHT = 0.35, -0.35  # within a row: neither covers the other


@in_house_style
def draw_differences(found: Comparison) -> Drawing:
    """A row for each metric in its own unit: every pair a dot, the mean with its interval below."""
    title, rows = finding(found), found.moved
    figure = new_figure(height_inches=1.3 + 0.72 * len(rows), title=title)
    grid = list(figure.subplots(len(rows), 1, squeeze=False).flat)
    for axes, each in zip(grid, rows, strict=True):
        _draw_row(axes, each)
    first, second = sides(found)
    grid[-1].set_xlabel(f"{second} less {first}, in the unit of each row")
    handles: list[Handle] = [
        line_key("one pair of runs", **PAIR),
        line_key("mean, 95 % interval without 0", color=ACCENT, marker="D"),
        line_key("mean, 95 % interval with 0", color=INK, marker="D"),
    ]
    legend_below(figure, handles, num_columns=3)
    return render(figure, name="differences", alt=title)


@in_house_style
def draw_pairs(found: Comparison) -> Drawing:
    """The difference of every pair over its mean, a panel for each metric.

    Bland and Altman 1986, "Statistical methods for assessing agreement": against each other, pairs
    lie on a diagonal that hides how they differ.
    """
    title, (first, second) = scattered(found), sides(found)
    num_columns = 2 if len(found.moved) in (2, 4) else 3
    num_rows = math.ceil(len(found.moved) / num_columns)
    figure = new_figure(height_inches=0.9 + 2.4 * num_rows, title=title)
    grid = figure.subplots(num_rows, num_columns, squeeze=False)
    for spare in grid.flat[len(found.moved) :]:
        figure.delaxes(spare)
    for axes, each in zip(grid.flat, found.moved, strict=False):
        _draw_panel(axes, each)
    figure.supylabel(f"{second} less {first}", fontsize=9)
    handles: list[Handle] = [
        line_key("one pair of runs", **PAIR),
        line_key("equal", color=GREY, linestyle="--"),
        line_key("mean difference", color=INK),
        Patch(facecolor=INK, alpha=BAND, label="its 95 % interval"),
    ]
    legend_below(figure, handles, num_columns=4)
    return render(figure, name="pairs", alt=title)


def _draw_row(axes: Axes, each: Compared) -> None:
    differences = each.second - each.first
    axes.axvline(0, color=GREY, linewidth=1)
    axes.plot(differences, [PAIRS_HEIGHT] * len(differences), **PAIR)
    mean = each.difference
    colour = ACCENT if mean.sign else INK
    if mean.interval is not None:
        axes.plot(mean.interval, [MEAN_HEIGHT] * 2, color=colour, linewidth=2, marker="|")
    axes.plot(mean.value, MEAN_HEIGHT, color=colour, marker="D", markersize=5)
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    if not differences.any():
        axes.set_xlim(-1, 1)  # of no difference at all there is no scale
    unit = f"\n{each.metric.unit}" if each.metric.unit else ""
    axes.set_ylabel(
        f"{each.metric.name}{unit}", rotation=0, horizontalalignment="right",
        verticalalignment="center",
    )  # fmt: skip
    _ticks(differences, axes.xaxis)


def _draw_panel(axes: Axes, each: Compared) -> None:
    means, differences = (each.first + each.second) / 2, each.second - each.first
    axes.axhline(0, color=GREY, linestyle="--", linewidth=1)
    axes.axhline(each.difference.value, color=INK, linewidth=1)
    if each.difference.interval is not None:
        axes.axhspan(*each.difference.interval, color=INK, alpha=BAND, linewidth=0)
    axes.plot(means, differences, **PAIR)
    if not differences.any():
        axes.set_ylim(-1, 1)  # of no difference at all there is no scale
    axes.locator_params(nbins=5)
    _ticks(means, axes.xaxis)
    _ticks(differences, axes.yaxis)
    axes.set_title(each.metric.name)
    axes.set_xlabel(f"mean of both{f' ({each.metric.unit})' if each.metric.unit else ''}")


def _ticks(values: Floats, *scales: Axis) -> None:
    """Thousands in short; no offset that a reader would have to add."""
    if np.abs(values).max() >= 10_000:
        short_numbers(*scales)
    else:
        for scale in scales:
            scale.get_major_formatter().set_useOffset(False)  # type: ignore[attr-defined]
