"""The figures of what a sweep may vary besides: heads, and the training budget."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from rote.analysis.drawing import (
    ACCENT,
    GREY,
    INK,
    Drawing,
    Handle,
    colours,
    in_house_style,
    label_outside,
    legend_below,
    line_key,
    logarithmic_numbers,
    new_figure,
    panels,
    plot_intervals,
    render,
)
from rote.analysis.fits.budget import Limit
from rote.analysis.published import (
    LENGTH,
    PUBLISHED_ALPHAS,
    VOCAB_SIZE,
    PublishedAlpha,
    precision_matches,
)
from rote.analysis.reports.capacity import wording
from rote.analysis.reports.capacity.figures import format_keys, hollow_key, looks
from rote.analysis.reports.capacity.summary import Capacity, Summary

GPT = "rote.models.gpt.GPT"
FURTHER = 16.0  # times the largest budget: how far a fitted curve is drawn


def with_several_heads(summary: Summary) -> list[Capacity]:
    """Capacities of a size and format that has more than one number of heads."""
    heads: dict[tuple[str, int, str], set[int | None]] = {}
    for each in summary.capacities:
        heads.setdefault((each.shape, each.parameters, each.format), set()).add(each.num_heads)
    several = {size for size, numbers in heads.items() if len(numbers) > 1}
    return [
        each
        for each in summary.capacities
        if (each.shape, each.parameters, each.format) in several and each.num_heads
    ]


def published_rows(summary: Summary, capacity: Capacity) -> list[PublishedAlpha]:
    """Of the same shape, precision, vocabulary and length, of GPT-2; their heads are not stated."""
    first = summary.runs_of(capacity).row(0, named=True)
    if (first["task.vocab_size"], first["task.length"]) != (VOCAB_SIZE, LENGTH):
        return []
    if first.get("model._target_", GPT) != GPT:
        return []
    return [
        each
        for each in PUBLISHED_ALPHAS
        if each.model == capacity.shape and precision_matches(each, capacity.precision)
    ]


@in_house_style
def draw_heads(summary: Summary) -> Drawing:
    """Bits per parameter against heads at equal parameters, a line a size and format."""
    capacities = with_several_heads(summary)
    title = wording.heads_compared(capacities)
    figure = new_figure(height_inches=4.2, title=title)
    axes = figure.subplots()
    axes.set_xscale("log", base=2)
    shapes = list(dict.fromkeys(each.shape for each in capacities))
    colour_of = dict(zip(shapes, colours(len(shapes)), strict=True))
    look_of = looks(summary)
    lines = dict.fromkeys((each.shape, each.format) for each in capacities)
    for shape, one in lines:
        of_line = [each for each in capacities if (each.shape, each.format) == (shape, one)]
        look = look_of[one]
        heads = [each.num_heads or 0 for each in of_line]
        bits = [each.bits_per_parameter.value for each in of_line]
        axes.plot(heads, bits, color=colour_of[shape], linestyle=look.linestyle)
        for each, number in zip(of_line, heads, strict=True):
            plot_intervals(
                axes, [number], [each.bits_per_parameter],
                color=colour_of[shape], marker=look.marker,
                markerfacecolor="white" if each.doubts else colour_of[shape],
            )  # fmt: skip
    published = {
        (each.shape, row.bits_per_parameter)
        for each in capacities
        for row in published_rows(summary, each)
    }
    for shape, value in sorted(published):
        axes.axhline(value, color=colour_of[shape], linestyle=(0, (1, 3)), linewidth=1.2)
    numbers = sorted({each.num_heads or 0 for each in capacities})
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.minorticks_off()
    axes.set_xlabel("attention heads")
    axes.set_ylabel("capacity (bits per parameter)")
    handles = [
        *(line_key(shape, color=colour) for shape, colour in colour_of.items()),
        *format_keys(summary),
        hollow_key("not converged, or no plateau"),
        *([line_key("published, heads not stated", color=INK, linestyle=(0, (1, 3)))]
          if published else []),
    ]  # fmt: skip
    legend_below(figure, handles, num_columns=4)
    return render(figure, name="heads", alt=title)


@in_house_style
def draw_budgets(capacities: Sequence[Capacity]) -> Drawing:
    """Bits per parameter against the training budget, a panel a capacity, with its limit."""
    title = wording.limits_found(capacities)
    num_columns = min(2 if len(capacities) <= 8 else 4, len(capacities))
    num_rows = math.ceil(len(capacities) / num_columns)
    panel_inches = 2.3 if num_columns <= 2 else 1.6
    figure = new_figure(height_inches=1.5 + panel_inches * num_rows, title=title)
    grid = panels(figure, len(capacities), num_columns=num_columns, sharey=False)
    for capacity, axes in zip(capacities, grid, strict=True):
        _plot_budgets(axes, capacity)
    units = dict.fromkeys(each.budgets.unit for each in capacities if each.budgets)
    label_outside(figure, grid, x=" or ".join(units), y="memorised (bits per parameter)")
    handles: list[Handle] = [
        line_key("data set of which most is stored", color=INK, marker="o"),
        line_key("others", color=GREY, marker="o"),
    ]
    if any(each.limit for each in capacities):
        handles += [
            line_key("fitted", color=ACCENT, linestyle="--"),
            Patch(facecolor=ACCENT, alpha=0.2, label="unlimited budget, 95 % interval"),
        ]
    legend_below(figure, handles, num_columns=4)
    return render(figure, name="budgets", alt=title)


def _plot_budgets(axes: Axes, capacity: Capacity) -> None:
    budgets, parameters = capacity.budgets, capacity.parameters
    assert budgets is not None
    axes.set_title(f"{capacity.model}, {capacity.format}", fontsize=8)
    axes.set_xscale("log")
    for each in budgets.trained:
        is_most = each is budgets.most
        axes.plot(
            each.curve.budgets, np.array(each.curve.bits) / parameters,
            color=INK if is_most else GREY, marker="o", zorder=3 if is_most else 2,
            linewidth=1.4 if is_most else 0.8, markersize=4 if is_most else 2.5,
        )  # fmt: skip
    if isinstance(budgets.best, Limit):
        curve, limit = budgets.most.curve, budgets.best
        ratios = np.geomspace(min(curve.budgets) / max(curve.budgets), FURTHER, 200)
        fitted = limit.predict(ratios) / parameters
        axes.plot(max(curve.budgets) * ratios, fitted, color=ACCENT, linestyle="--", linewidth=1)
        axes.axhline(limit.bits / parameters, color=ACCENT, linewidth=0.8)
        low, high = (bits / parameters for bits in limit.interval_bits)
        axes.axhspan(low, high, color=ACCENT, alpha=0.2, linewidth=0)
    logarithmic_numbers(axes.xaxis, axes.get_xlim())
