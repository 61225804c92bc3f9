"""Which score tells members best: of one model alone, and beside others of its kind."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from rote.analysis.drawing import (
    GREY,
    Drawing,
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
)
from rote.analysis.quantities.membership import TooFewControls
from rote.analysis.reports.leakage.looks import (
    colours_of,
    columns,
    size_keys,
    spread,
)
from rote.analysis.reports.leakage.membership_wording import (
    SCORE_NAMES,
    score_name,
    scores_title,
    shadows_title,
)
from rote.analysis.reports.leakage.points import Scored
from rote.analysis.reports.leakage.study import Study


@in_house_style
def draw_scores(found: Study) -> Drawing:
    """AUROC against N, a panel a size, a line a score."""
    title = scores_title(found)
    series = spread(list(dict.fromkeys(each.place.series for each in found.scored)))
    names = _ordered(found.scored)
    num_columns = columns(len(series))
    num_rows = -(-len(series) // num_columns)
    figure = new_figure(height_inches=1.5 + 2.5 * num_rows, title=title)
    grid = panels(figure, len(series), num_columns=num_columns, sharey=True)
    looks = dict(zip(names, colours(len(names)), strict=True))
    for one, axes in zip(series, grid, strict=True):
        axes.set_title(f"{one}, {found.parameters[one]:,} parameters", fontsize=8)
        axes.set_xscale("log")
        axes.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
        for name, colour in looks.items():
            points = [s for s in found.scored if s.place.series == one and s.score == name]
            _plot_auroc(axes, points, colour)
        count_axis(axes)
    label_outside(figure, grid, x="training sequences N", y="AUROC")
    keys = [line_key(score_name(name), color=colour) for name, colour in looks.items()]
    legend_below(figure, [*keys, line_key("chance", color=GREY, linestyle=":")], num_columns=4)
    return render(figure, name="scores", alt=title)


def _ordered(points: Sequence[Scored]) -> list[str]:
    """Known scores in their order, then others."""
    names = dict.fromkeys(each.score for each in points)
    return [*(n for n in SCORE_NAMES if n in names), *(n for n in names if n not in SCORE_NAMES)]


def _plot_auroc(axes: Axes, points: Sequence[Scored], colour: str) -> None:
    plot_intervals(
        axes, [each.place.num_sequences for each in points], [each.auroc for each in points],
        color=colour, markersize=3, capsize=1.5, elinewidth=0.7, linewidth=1.1,
    )  # fmt: skip


@in_house_style
def draw_shadowed(found: Study) -> Drawing:
    """AUROC and members found at 1 % false positives, a row a score, a colour a size."""
    title = shadows_title(found)
    points = [each for each in found.shadowed if isinstance(each, Scored)]
    names = _ordered(points)
    figure = new_figure(height_inches=2.0 + 0.36 * len(names), title=title)
    left, right = figure.subplots(1, 2, sharey=True)
    colour_of = colours_of(found)
    places = list(dict.fromkeys(each.place for each in points))
    for each in points:
        colour = colour_of[each.place.series]
        row = names.index(each.score) + _offset(places.index(each.place), len(places))
        plot_intervals(left, [row], [each.auroc], across=True, color=colour)
        rate = each.members_found(0)
        if not isinstance(rate, TooFewControls):
            plot_intervals(right, [row], [rate], across=True, color=colour)
    left.axvline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    right.axvline(0.01, color=GREY, linewidth=0.8, linestyle=":")
    left.set_yticks(range(len(names)), [score_name(name) for name in names])
    left.invert_yaxis()
    left.set_xlabel("AUROC")
    right.set_xlabel("members found at 1 % false positives")
    right.set_xlim(left=0)
    right.locator_params(axis="x", nbins=5)
    legend_below(
        figure, [*size_keys(found), line_key("chance", color=GREY, linestyle=":")], num_columns=4
    )
    return render(figure, name="shadows", alt=title)


def _offset(place: int, number: int) -> float:
    return 0.5 * (place / max(1, number - 1) - 0.5) if number > 1 else 0.0
