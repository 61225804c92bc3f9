"""The figures of the report on generalisation."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

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
    plot_intervals,
    render,
    short_numbers,
)
from rote.analysis.reports.generalisation import wording
from rote.analysis.reports.generalisation.study import Point, Series, Study

MAX_COLUMNS = 3
PANEL_INCHES = 2.5
BITS_LINES = (1.0, 2.0)  # bits per parameter, for the eye

Colours = Mapping[str, str]


@in_house_style
def draw_matches(found: Study) -> Drawing:
    """Share right against parameters, a panel a subject and split, a line a setting."""
    title = wording.matches_title(found)
    grouped = _panels(found)
    columns = min(MAX_COLUMNS, len(grouped))
    rows = -(-len(grouped) // columns)
    figure = new_figure(height_inches=1.3 + PANEL_INCHES * rows, title=title)
    grid = panels(figure, len(grouped), num_columns=columns, sharey=True)
    colour_of = _colours(found)
    for (name, series), axes in zip(grouped.items(), grid, strict=True):
        axes.set_title(name)
        axes.set_xscale("log")
        axes.set_ylim(-0.04, 1.04)
        for each in series:
            for side in ("train", "heldout"):
                _plot_side(axes, found.of(each, side), colour_of[each.setting])
        count_axis(axes)
    label_outside(figure, grid, x="parameters", y="share answered exactly")
    legend_below(figure, _keys(colour_of), num_columns=3)
    return render(figure, name="matches", alt=title)


def _panels(found: Study) -> dict[str, list[Series]]:
    """Series by what they are, their settings left out."""
    grouped: dict[str, list[Series]] = {}
    for each in found.series:
        joint = ", jointly" if each.trained_on != each.subject else ""
        split = f", {wording.split_words(each)}" if each.split else ""
        grouped.setdefault(f"{each.subject}{joint}{split}", []).append(each)
    return grouped


def _plot_side(axes: Axes, points: Sequence[Point], colour: str) -> None:
    if not points:
        return
    is_heldout = points[0].side == "heldout"
    plot_intervals(
        axes, [each.parameters for each in points], [each.free for each in points],
        color=colour, markersize=4.5,
        linestyle="-" if is_heldout else "--",
        markerfacecolor=colour if is_heldout else "white",
    )  # fmt: skip
    for point in points if is_heldout else ():
        by_split = point.by_split
        if len(by_split) > 1:
            axes.plot(
                [point.parameters] * len(by_split), [rate.value for rate in by_split.values()],
                linestyle="none", marker="_", markersize=7, color=colour, alpha=0.5,
            )  # fmt: skip


@in_house_style
def draw_knowledge(found: Study) -> Drawing:
    """Bits stored of biographies against parameters, a mark a run."""
    title = wording.knowledge_title(found)
    figure = new_figure(height_inches=3.8, title=title)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=100)
    colour_of = _colours(found)
    for each in found.knowledge:
        axes.plot(each.parameters, each.stored_bits, marker="o", color=colour_of[each.setting])
        axes.plot(each.parameters, each.given_bits, marker="_", color=GREY, markersize=12)
    spread = np.array(sorted({each.parameters for each in found.knowledge}))
    for bits in BITS_LINES:
        axes.plot(spread, bits * spread, color=GREY, linestyle=":", linewidth=1)
    count_axis(axes)
    short_numbers(axes.yaxis)
    axes.set_xlabel("parameters")
    axes.set_ylabel("bits of knowledge")
    handles = [
        *(
            line_key(setting or "stored", color=colour_of[setting], marker="o", linestyle="none")
            for setting in dict.fromkeys(each.setting for each in found.knowledge)
        ),
        line_key("given to learn", color=GREY, marker="_", linestyle="none", markersize=12),
        line_key("1 and 2 bits per parameter", color=GREY, linestyle=":"),
    ]
    legend_below(figure, handles, num_columns=3)
    return render(figure, name="knowledge", alt=title)


def _colours(found: Study) -> Colours:
    settings = list(dict.fromkeys(each.setting for each in found.series))
    return dict(zip(settings, colours(len(settings)), strict=True))


def _keys(colour_of: Colours) -> list[Handle]:
    settings = [line_key(name, color=colour) for name, colour in colour_of.items() if name]
    colour = GREY if settings else next(iter(colour_of.values()))
    return [
        line_key("held out", color=colour, marker="o"),
        line_key("seen", color=colour, marker="o", markerfacecolor="white", linestyle="--"),
        line_key("one held-out split", color=colour, marker="_", linestyle="none"),
        *settings,
    ]
