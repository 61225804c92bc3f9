"""Small multiples, a panel a kind of leakage: against held-out loss, and against size."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rote.analysis.drawing import (
    GREY,
    Drawing,
    Handle,
    colours,
    count_axis,
    in_house_style,
    label_outside,
    legend_below,
    line_key,
    new_figure,
    panels,
    render,
)
from rote.analysis.reports.leakage import wording
from rote.analysis.reports.leakage.kinds import Kind
from rote.analysis.reports.leakage.looks import (
    colours_of,
    mark,
    short_count,
    size_keys,
    unconverged_key,
)
from rote.analysis.reports.leakage.study import Study

NUM_COLUMNS = 2
SMALLEST_MARK, LARGEST_MARK = 3.0, 9.0  # points, for the least and the most N


@in_house_style
def draw_risk(found: Study) -> Drawing:
    """A mark a run: colour for size, its own size for N."""
    title = wording.risk_title(found)
    sizes = found.runs["task.num_sequences"].to_numpy()
    figure, grid = _panels(found, title)
    for kind, axes in zip(found.kinds, grid, strict=True):
        axes.set_title(kind.title)
        axes.axhline(kind.chance, color=GREY, linestyle=":", linewidth=1)
        for run in found.runs.iter_rows(named=True):
            if run[kind.column] is None or run["heldout_bits_per_token"] is None:
                continue
            mark(
                axes, run["heldout_bits_per_token"], run[kind.column],
                colours_of(found)[run["series"]],
                converged=run["training.converged"],
                size=_mark_size(run["task.num_sequences"], sizes.min(), sizes.max()),
            )  # fmt: skip
        axes.tick_params(labelbottom=True)
    label_outside(figure, grid, x="held-out loss (bits per token)", y="")
    keys: list[Handle] = [
        line_key(f"N = {size:,}", color=GREY, linestyle="none", marker="o", markersize=points)
        for size, points in ((sizes.min(), SMALLEST_MARK), (sizes.max(), LARGEST_MARK))
    ]
    legend_below(
        figure, [*size_keys(found), *keys, unconverged_key(), _chance_key()], num_columns=4
    )
    return render(figure, name="risk", alt=title)


def _panels(found: Study, title: str) -> tuple[Figure, list[Axes]]:
    number = len(found.kinds)
    num_columns = min(NUM_COLUMNS, number)
    num_rows = -(-number // num_columns)
    figure = new_figure(height_inches=1.5 + 2.6 * num_rows, title=title)
    return figure, panels(figure, number, num_columns=num_columns, sharey=False)


def _chance_key() -> Handle:
    return line_key("no leakage", color=GREY, linestyle=":")


def _mark_size(number: float, least: float, most: float) -> float:
    if most <= least:
        return SMALLEST_MARK
    share = float(np.log(number / least) / np.log(most / least))
    return SMALLEST_MARK + share * (LARGEST_MARK - SMALLEST_MARK)


@in_house_style
def draw_sizes(found: Study) -> Drawing:
    """Each kind against parameters, a line an N: means over seeds, every run a mark."""
    title = wording.sizes_title(found)
    figure, grid = _panels(found, title)
    sizes = found.runs["task.num_sequences"].unique().sort().to_list()
    looks = dict(zip(sizes, colours(len(sizes)), strict=True))
    for kind, axes in zip(found.kinds, grid, strict=True):
        axes.set_title(kind.title)
        axes.axhline(kind.chance, color=GREY, linestyle=":", linewidth=1)
        axes.set_xscale("log")
        for size, colour in looks.items():
            _plot_size(axes, found.runs.filter(pl.col("task.num_sequences") == size), kind, colour)
        count_axis(axes)
    label_outside(figure, grid, x="parameters", y="")
    keys = [
        line_key(f"N = {short_count(size)}", color=colour, marker="o")
        for size, colour in looks.items()
    ]
    legend_below(figure, [*keys, unconverged_key(), _chance_key()], num_columns=5)
    return render(figure, name="sizes", alt=title)


def _plot_size(axes: Axes, runs: pl.DataFrame, kind: Kind, colour: str) -> None:
    known = runs.filter(pl.col(kind.column).is_not_null())
    means = known.group_by("parameters").agg(pl.col(kind.column).mean()).sort("parameters")
    axes.plot(means["parameters"], means[kind.column], color=colour)
    for converged in (True, False):
        marks = known.filter(pl.col("training.converged") == converged)
        mark(axes, marks["parameters"], marks[kind.column], colour, converged=converged, size=3.5)
