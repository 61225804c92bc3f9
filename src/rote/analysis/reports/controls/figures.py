"""The frontier: leakage against held-out loss, a mark a control and strength."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from rote.analysis.drawing import (
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
from rote.analysis.estimate import Estimate
from rote.analysis.reports.controls import wording
from rote.analysis.reports.controls.study import Panel, Point, Study

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
PANEL_INCHES = 3.1
NUM_COLUMNS = 2
MARGIN = 0.15  # beyond the outermost marks, of their distance
WIDE = 10  # largest over least loss: beyond that the axis is logarithmic


@dataclass(frozen=True)
class Look:
    """A control is told by shape as well as by colour."""

    colour: str
    marker: str


@in_house_style
def draw_frontier(found: Study) -> Drawing:
    """A panel a task and kind of leakage."""
    title = wording.frontier_title(found)
    rows = -(-len(found.panels) // NUM_COLUMNS)
    figure = new_figure(height_inches=1.6 + PANEL_INCHES * rows, title=title)
    grid = figure.subplots(rows, NUM_COLUMNS, squeeze=False)
    for spare in grid.flat[len(found.panels) :]:
        figure.delaxes(spare)
    look_of = _looks(found)
    for panel, axes in zip(found.panels, grid.flat, strict=False):
        _plot_panel(axes, panel, look_of)
    legend_below(figure, _keys(look_of), num_columns=4)
    return render(figure, name="frontier", alt=title)


def _plot_panel(axes: Axes, panel: Panel, look_of: Mapping[str, Look]) -> None:
    axes.set_title(f"{panel.name}:\n{panel.kind.title}")
    axes.set_xlabel("held-out loss (bits per token)")
    axes.set_ylabel(panel.kind.unit or "share")
    for point in panel.controlled:
        look = look_of[point.control]
        _plot_point(axes, point, colour=look.colour, marker=look.marker, size=5.5)
        axes.annotate(
            _strength(point), (point.loss.value, point.counted.value), xytext=(4, 3),
            textcoords="offset points", fontsize=6.5, color=look.colour,
        )  # fmt: skip
    _plot_frontier(axes, [each for each in panel.points if each.on_frontier])
    if panel.anchor:
        _plot_point(axes, panel.anchor, colour=INK, marker="*", size=11)
        axes.axvline(panel.anchor.loss.value, color=INK, linestyle=":", linewidth=0.8)
        axes.axhline(panel.anchor.counted.value, color=INK, linestyle=":", linewidth=0.8)
    axes.axhline(panel.guess, color=GREY, linestyle=(0, (1, 3)), linewidth=1)
    losses = [each.loss.value for each in panel.points]
    axes.set_ylim(*_limits([panel.guess, *(each.counted.value for each in panel.points)]))
    if max(losses) > WIDE * min(losses) > 0:
        axes.set_xscale("log")
    else:
        axes.set_xlim(*_limits(losses))
    if panel.kind.unit:
        short_numbers(axes.yaxis)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """About all marks: intervals of few seeds may be many times as wide."""
    low, high = min(values), max(values)
    margin = MARGIN * (high - low) or 1.0
    return low - margin, high + margin


def _plot_point(axes: Axes, point: Point, *, colour: str, marker: str, size: float) -> None:
    axes.errorbar(
        point.loss.value, point.counted.value, xerr=_reach(point.loss), yerr=_reach(point.counted),
        color=colour, marker=marker, markersize=size, elinewidth=0.6, capsize=1.5, alpha=0.9,
    )  # fmt: skip


def _plot_frontier(axes: Axes, points: Sequence[Point]) -> None:
    ordered = sorted(points, key=lambda each: each.loss.value)
    axes.plot(
        [each.loss.value for each in ordered], [each.counted.value for each in ordered],
        color=GREY, linestyle="--", linewidth=1, drawstyle="steps-post", zorder=1,
    )  # fmt: skip


def _reach(mean: Estimate) -> list[list[float]] | None:
    if mean.interval is None:
        return None
    low, high = mean.interval
    return [[mean.value - low], [high - mean.value]]


def _strength(point: Point) -> str:
    """The last number of its words; nothing for a control without a strength."""
    last = point.words.rpartition(" ")[2]
    return last if last[:1].isdigit() else ""


def _looks(found: Study) -> Mapping[str, Look]:
    """Colours and shapes go round at different lengths, so that no two controls look alike."""
    controls = sorted({each.control for panel in found.panels for each in panel.controlled})
    return {
        control: Look(PALETTE[place % (len(PALETTE) - 1)], MARKERS[place % len(MARKERS)])
        for place, control in enumerate(controls)
    }


def _keys(look_of: Mapping[str, Look]) -> list[Handle]:
    return [
        line_key("no control", color=INK, marker="*", linestyle="none", markersize=10),
        *(
            line_key(
                name.replace("_", " "), color=look.colour, marker=look.marker, linestyle="none"
            )
            for name, look in look_of.items()
        ),
        line_key("Pareto frontier", color=GREY, linestyle="--"),
        line_key("a guess", color=GREY, linestyle=(0, (1, 3))),
    ]
