"""The figures of the report on random labels."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from rote.analysis.drawing import (
    GREY,
    Drawing,
    Handle,
    colours,
    in_house_style,
    legend_below,
    line_key,
    logarithmic_numbers,
    new_figure,
    plot_intervals,
    render,
    short_numbers,
)
from rote.analysis.reports.random_labels import wording
from rote.analysis.reports.random_labels.study import Point, Series, Study

SHARE_LABEL = "share of labels that no rule tells"


@in_house_style
def draw_fit(found: Study) -> Drawing:
    """Steps to fit, and labels told right, against the share of random labels."""
    title = wording.fit_title(found)
    figure = new_figure(height_inches=4.2, title=title)
    left, right = figure.subplots(1, 2)
    colour_of = _colours(found)
    for series, colour in colour_of.items():
        points = found.of(series)
        fitted = [each for each in points if each.steps]
        plot_intervals(
            left, [each.unruled for each in fitted],
            [each.steps for each in fitted if each.steps], color=colour, markersize=4.5,
        )  # fmt: skip
        _plot_shares(right, points, colour, side="train")
        _plot_shares(right, points, colour, side="heldout")
    for classes in {each.num_classes for each in found.points}:
        right.axhline(1 / classes, color=GREY, linestyle=":", linewidth=1)
    left.set_ylabel("steps to fit")
    left.set_yscale("log")
    logarithmic_numbers(left.yaxis, left.get_ylim())
    right.set_ylim(-0.03, 1.03)
    right.set_ylabel("labels told right")
    for axes in (left, right):
        axes.set_xlim(-0.05, 1.05)
        axes.set_xlabel(SHARE_LABEL)
    sides = [
        line_key("training labels", color=GREY, marker="o"),
        line_key("held-out", color=GREY, marker="o", markerfacecolor="white", linestyle="--"),
    ]
    legend_below(figure, [*_keys(colour_of), *sides], num_columns=3)
    return render(figure, name="fit", alt=title)


@in_house_style
def draw_bits(found: Study) -> Drawing:
    """Bits memorised about labels against what there was."""
    title = wording.bits_title(found)
    figure = new_figure(height_inches=3.8, title=title)
    axes = figure.subplots()
    colour_of = _colours(found)
    for series, colour in colour_of.items():
        points = found.of(series)
        entropy = [each.entropy_bits for each in points]
        memorised = [each.memorised_bits for each in points]
        plot_intervals(axes, entropy, memorised, color=colour, markersize=4.5)
    most = max(each.entropy_bits for each in found.points)
    axes.plot([0, most], [0, most], color=GREY, linestyle=":", linewidth=1)
    axes.set_xlabel("entropy of the labels that no rule tells (bits)")
    axes.set_ylabel("bits memorised")
    short_numbers(axes.xaxis, axes.yaxis)
    key = line_key("all that there is", color=GREY, linestyle=":")
    legend_below(figure, [*_keys(colour_of), key], num_columns=2)
    return render(figure, name="bits", alt=title)


def _plot_shares(axes: Axes, points: Sequence[Point], colour: str, *, side: str) -> None:
    shares = [each.train if side == "train" else each.heldout for each in points]
    plot_intervals(
        axes, [each.unruled for each in points], shares, color=colour, markersize=4.5,
        linestyle="-" if side == "train" else "--",
        markerfacecolor=colour if side == "train" else "white",
    )  # fmt: skip


def _colours(found: Study) -> Mapping[Series, str]:
    return dict(zip(found.series, colours(len(found.series)), strict=True))


def _keys(colour_of: Mapping[Series, str]) -> list[Handle]:
    return [line_key(series.name, color=colour, marker="o") for series, colour in colour_of.items()]
