"""Exposure and extraction of canaries against repeats, and extraction of windows against N."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from rote.analysis.drawing import (
    GREY,
    INK,
    Drawing,
    Handle,
    count_axis,
    in_house_style,
    label_outside,
    legend_below,
    line_key,
    new_figure,
    panels,
    plot_intervals,
    render,
)
from rote.analysis.estimate import Estimate
from rote.analysis.quantities.exposure import CHANCE_BITS
from rote.analysis.reports.leakage import wording
from rote.analysis.reports.leakage.looks import (
    colours_of,
    columns,
    size_keys,
    spread,
)
from rote.analysis.reports.leakage.points import Planted, Windows
from rote.analysis.reports.leakage.study import Study

DODGE = 0.07  # of the way from one number of repeats to the next, between sizes


@in_house_style
def draw_exposure(found: Study) -> Drawing:
    """Mean exposure against repeats, a panel an N, a line a size."""
    keys = [
        line_key("the most that can be told", color=INK, linestyle="--"),
        line_key("a guess, 1.44 bits", color=GREY, linestyle=":"),
    ]
    return _draw(
        found,
        found.planted,
        name="exposure",
        title=wording.exposure_title(found),
        y="mean exposure (bits)",
        value=lambda each: each.exposure_bits,
        limits=_plot_limits,
        keys=keys,
    )


def _plot_limits(axes: Axes, points: Sequence[Planted]) -> None:
    axes.axhline(CHANCE_BITS, color=GREY, linestyle=":", linewidth=1)
    axes.axhline(
        float(np.mean([each.most_bits for each in points])),
        color=INK, linestyle="--", linewidth=0.9,
    )  # fmt: skip
    axes.set_ylim(bottom=0)


@in_house_style
def draw_canaries_extracted(found: Study) -> Drawing:
    """Share of canaries that greedy decoding recites, laid out alike."""
    tried = [each for each in found.planted if each.extracted is not None]
    return _draw(
        found,
        tried,
        name="canaries_extracted",
        title=wording.canaries_title(found),
        y="share extracted",
        value=lambda each: each.extracted,
        limits=lambda axes, _: axes.set_ylim(-0.03, 1.03),
        keys=[],
    )


def _draw(
    found: Study,
    shown: Sequence[Planted],
    *,
    name: str,
    title: str,
    y: str,
    value: Callable[[Planted], Estimate | None],
    limits: Callable[[Axes, Sequence[Planted]], object],
    keys: Sequence[Handle],
) -> Drawing:
    sizes = spread(sorted({each.place.num_sequences for each in shown}))
    num_columns = columns(len(sizes))
    num_rows = -(-len(sizes) // num_columns)
    figure = new_figure(height_inches=1.5 + 2.4 * num_rows, title=title)
    grid = panels(figure, len(sizes), num_columns=num_columns, sharey=True)
    ticks = sorted({each.repeats for each in shown})
    for size, axes in zip(sizes, grid, strict=True):
        axes.set_title(f"N = {size:,}")
        axes.set_xticks(range(len(ticks)), list(map(str, ticks)))
        here = [each for each in shown if each.place.num_sequences == size]
        for index, (series, colour) in enumerate(colours_of(found).items()):
            points = [each for each in here if each.place.series == series]
            aside = DODGE * (index - (len(found.series) - 1) / 2)
            plot_intervals(
                axes, [ticks.index(each.repeats) + aside for each in points],
                [known for each in points if (known := value(each))], color=colour,
            )  # fmt: skip
        limits(axes, here)
    label_outside(figure, grid, x="times inserted", y=y)
    legend_below(figure, [*size_keys(found), *keys], num_columns=4)
    return render(figure, name=name, alt=title)


@in_house_style
def draw_windows(found: Study) -> Drawing:
    """Train less held-out rate against N, a panel a prefix, a line a size."""
    title = wording.windows_title(found)
    prefixes = spread(sorted({each.extraction.prefix_tokens for each in found.windows}))
    num_columns = columns(len(prefixes))
    num_rows = -(-len(prefixes) // num_columns)
    figure = new_figure(height_inches=1.6 + 2.5 * num_rows, title=title)
    grid = panels(figure, len(prefixes), num_columns=num_columns, sharey=True)
    for prefix, axes in zip(prefixes, grid, strict=True):
        axes.set_title(f"prefix of {prefix} tokens")
        axes.set_xscale("log")
        axes.axhline(0, color=GREY, linewidth=0.8)
        for series, colour in colours_of(found).items():
            here = [
                each
                for each in found.windows
                if each.place.series == series and each.extraction.prefix_tokens == prefix
            ]
            _plot_excess(axes, here, colour)
        count_axis(axes)
    label_outside(figure, grid, x="training sequences N", y="extracted, train less held-out")
    legend_below(figure, size_keys(found), num_columns=4)
    return render(figure, name="windows_extracted", alt=title)


def _plot_excess(axes: Axes, points: Sequence[Windows], colour: str) -> None:
    plot_intervals(
        axes, [each.place.num_sequences for each in points],
        [each.extraction.excess for each in points], color=colour,
    )  # fmt: skip
