"""The figures of every capacity report."""

import itertools
import math
from collections.abc import Mapping, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.patches import Patch

from rote.analysis.drawing import (
    ACCENT,
    GREY,
    INK,
    PRECISION_LOOKS,
    Drawing,
    Handle,
    PrecisionLook,
    colour_scale,
    colours,
    in_house_style,
    label_outside,
    legend_below,
    line_key,
    log_shade,
    logarithmic_numbers,
    new_figure,
    panels,
    plot_intervals,
    render,
    short_numbers,
)
from rote.analysis.fits.plateau import Plateau
from rote.analysis.published import PUBLISHED_ALPHAS, precision_matches
from rote.analysis.quantities.convergence import ENDED_BY, NOT_CONVERGED, converged
from rote.analysis.reports.capacity import wording
from rote.analysis.reports.capacity.summary import Alpha, Capacity, Summary
from rote.analysis.results import Curve

Looks = Mapping[str, PrecisionLook]

CEILING_LINESTYLE = (0, (1, 1))
FAINT = "#C9C9C9"
VISIBLY = 0.03  # of the entropy: a ceiling as much below it is a line of its own
SIDE_STEP = 1.025  # factor between the formats of one size, so that their intervals stay apart


def looks(summary: Summary) -> Looks:
    """By format: that of the precision, or where settings vary too, of the setting."""
    formats = [alpha.format for alpha in summary.alphas]
    if not any(alpha.setting for alpha in summary.alphas):
        return {name: PRECISION_LOOKS[name] for name in formats}
    shapes = [(look.marker, look.linestyle) for look in PRECISION_LOOKS.values()]
    told = zip(formats, colours(len(formats)), itertools.cycle(shapes), strict=False)
    return {
        name: PrecisionLook(colour=colour, marker=marker, linestyle=linestyle)
        for name, colour, (marker, linestyle) in told
    }


@in_house_style
def draw_memorised_bits(summary: Summary) -> Drawing:
    """Memorised bits against data-set size, one panel per depth, a line per width and format."""
    depths = sorted(set(summary.runs["size.num_layers"]))
    widths = sorted(set(summary.runs["size.width"]))
    colour_of = dict(zip(widths, colours(len(widths)), strict=True))
    num_columns = min(2, len(depths))
    num_rows = math.ceil(len(depths) / num_columns)
    figure = new_figure(height_inches=1.9 + 3.2 * num_rows, title=wording.all_hold(summary))
    grid = panels(figure, len(depths), num_columns=num_columns, sharey=True)
    for depth, axes in zip(depths, grid, strict=True):
        _plot_depth(axes, summary, depth, colour_of, looks(summary))
    label_outside(figure, grid, x="entropy of the training data (bits)", y="memorised (bits)")
    lines = [line_key("all that can be memorised", color=GREY, linestyle=CEILING_LINESTYLE)]
    if _differ_visibly(summary.runs):
        lines.append(line_key("entropy", color=FAINT, linestyle=CEILING_LINESTYLE))
    handles = [
        *(line_key(f"width {width}", color=colour) for width, colour in colour_of.items()),
        *format_keys(summary),
        *lines,
        Patch(facecolor=GREY, alpha=0.3, label="fitted plateau, 95 % interval"),
        hollow_key(NOT_CONVERGED),
    ]
    legend_below(figure, handles, num_columns=4)
    return render(figure, name="memorised_bits", alt=wording.all_hold(summary))


def _plot_depth(
    axes: Axes, summary: Summary, depth: int, colour_of: dict[int, str], look_of: Looks
) -> None:
    axes.set_title(f"{depth} layer{'s' if depth > 1 else ''}")
    entropy_bits = summary.runs["entropy_bits"].to_numpy()
    memorised_bits = summary.runs["memorised_bits"].to_numpy()
    extent_bits = [entropy_bits.min(), entropy_bits.max()]
    if _differ_visibly(summary.runs):
        axes.loglog(extent_bits, extent_bits, color=FAINT, linestyle=CEILING_LINESTYLE)
    ceilings = summary.runs.group_by("entropy_bits").agg(pl.col("ceiling_bits").mean())
    axes.loglog(
        *ceilings.sort("entropy_bits"), color=GREY, linestyle=CEILING_LINESTYLE, linewidth=1.2
    )
    least_bits = memorised_bits[memorised_bits > 0].min(initial=entropy_bits.min())
    axes.set_ylim(least_bits / 1.3, 1.8 * max(memorised_bits.max(), entropy_bits.min()))
    for capacity in summary.best:
        runs = summary.runs_of(capacity)
        if runs["size.num_layers"][0] == depth:
            colour = colour_of[runs["size.width"][0]]
            _plot_size(axes, capacity, runs, colour, look_of[capacity.format])
    logarithmic_numbers(axes.xaxis, axes.get_xlim())
    logarithmic_numbers(axes.yaxis, axes.get_ylim())
    bits_per_sequence = entropy_bits / summary.runs["task.num_sequences"].to_numpy()
    if bits_per_sequence.max() - bits_per_sequence.min() < 1e-6 * bits_per_sequence.max():
        each_bits = bits_per_sequence[0]
        top = axes.secondary_xaxis(
            "top", functions=(lambda bits: bits / each_bits, lambda count: count * each_bits)
        )
        logarithmic_numbers(top.xaxis, [limit / each_bits for limit in axes.get_xlim()])
        top.set_xlabel("sequences", fontsize=8)
        top.tick_params(labelsize=8)


def _differ_visibly(runs: pl.DataFrame) -> bool:
    return runs.filter(pl.col("ceiling_bits") < (1 - VISIBLY) * pl.col("entropy_bits")).height > 0


def _plot_size(
    axes: Axes, capacity: Capacity, runs: pl.DataFrame, colour: str, look: PrecisionLook
) -> None:
    # A logarithmic axis has no place for a run that memorised nothing.
    shown = runs.filter(pl.col("memorised_bits") > 0)
    means = shown.group_by("entropy_bits").agg(pl.col("memorised_bits").mean()).sort("entropy_bits")
    axes.plot(
        means["entropy_bits"], means["memorised_bits"], color=colour, linestyle=look.linestyle
    )
    for has_converged in (True, False):
        points = shown.filter(pl.col("training.converged") == has_converged)
        axes.plot(
            points["entropy_bits"],
            points["memorised_bits"],
            linestyle="none",
            marker=look.marker,
            markersize=5.5 if capacity.num_seeds == 1 else 3,
            color=colour,
            markerfacecolor=colour if has_converged else "white",
        )
    if isinstance(capacity.plateau, Plateau):
        reach_bits = [capacity.capacity_bits, runs["entropy_bits"].to_numpy().max()]
        low_bits, high_bits = capacity.plateau.interval_bits
        axes.fill_between(reach_bits, low_bits, high_bits, color=colour, alpha=0.15, linewidth=0)
        axes.plot(reach_bits, [capacity.capacity_bits] * 2, color=colour, linewidth=0.8)


@in_house_style
def draw_bits_per_parameter(summary: Summary) -> Drawing:
    """Bits per parameter against parameters, beside the published values."""
    title = wording.alphas_compared(summary)
    figure = new_figure(height_inches=4.9, title=title)
    axes = figure.subplots()
    axes.set_xscale("log")
    for index, alpha in enumerate(summary.alphas):
        _plot_alpha(axes, summary, alpha, offset=SIDE_STEP ** (2 * index + 1 - len(summary.alphas)))
    published_keys = _plot_published(axes, [alpha.precision for alpha in summary.alphas])
    axes.margins(y=0.1)
    logarithmic_numbers(axes.xaxis, axes.get_xlim())
    axes.set_xlabel("parameters")
    axes.set_ylabel("capacity (bits per parameter)")
    handles = [
        *format_keys(summary, coloured=True),
        hollow_key("not converged, or no plateau"),
        Patch(facecolor=GREY, alpha=0.25, label="mean over the sizes, 95 % interval"),
        *published_keys,
    ]
    legend_below(figure, handles, num_columns=3)
    return render(figure, name="bits_per_parameter", alt=title)


def _plot_alpha(axes: Axes, summary: Summary, alpha: Alpha, *, offset: float) -> None:
    look = looks(summary)[alpha.format]
    for capacity in alpha.capacities:
        plot_intervals(
            axes, [capacity.parameters * offset], [capacity.bits_per_parameter],
            color=look.colour, marker=look.marker,
            markerfacecolor="white" if capacity.doubts else look.colour,
        )  # fmt: skip
    if alpha.slope:
        sizes = [each.parameters for each in alpha.capacities if each.model in alpha.models]
        span = [min(sizes) / SIDE_STEP**3, max(sizes) * SIDE_STEP**3]
        mean = alpha.bits_per_parameter
        axes.fill_between(span, *mean.ends, color=look.colour, alpha=0.12, linewidth=0)
        axes.plot(span, [mean.value] * 2, color=look.colour, linestyle=look.linestyle)


def _plot_published(axes: Axes, precisions: Sequence[str]) -> list[Handle]:
    handles: list[Handle] = []
    for name, marker in (("fp32", "x"), ("bf16", "+")):
        values = [each for each in PUBLISHED_ALPHAS if each.precision == name]
        if any(precision_matches(values[0], precision) for precision in precisions):
            key = line_key(f"published, {name}", color=INK, linestyle="none", marker=marker)
            axes.plot(
                [each.parameters or 0 for each in values],
                [each.bits_per_parameter for each in values],
                linestyle="none",
                marker=marker,
                color=INK,
                zorder=4,
            )
            handles.append(key)
    return handles


@in_house_style
def draw_training_curves(summary: Summary, curves: Mapping[str, Curve]) -> Drawing:
    """Memorised bits against optimiser steps, one panel per size and format, a line per run."""
    capacities = sorted(summary.best, key=lambda each: each.parameters)
    shade = log_shade(summary.runs["data_bits_per_parameter"])
    num_columns = 2 if len(capacities) <= 8 else 4
    num_rows = math.ceil(len(capacities) / num_columns)
    title = converged(summary.longest)
    panel_inches = 2.2 if num_columns == 2 else 1.5
    figure = new_figure(height_inches=1.3 + panel_inches * num_rows, title=title)
    grid = panels(figure, len(capacities), num_columns=num_columns, sharey=False)
    for capacity, axes in zip(capacities, grid, strict=True):
        _plot_curves(axes, summary, capacity, curves, shade)
    has_finish = ENDED_BY in summary.longest.columns
    x = f"optimiser steps{', then evaluations of the finish' if has_finish else ''}"
    label_outside(figure, grid, x=x, y="memorised (bits)")
    colour_scale(figure, grid, shade, label="training data (bits per parameter)")
    legend_below(figure, [line_key("fitted plateau", color=ACCENT, linestyle="--")], num_columns=1)
    return render(figure, name="training_curves", alt=title)


def _plot_curves(
    axes: Axes,
    summary: Summary,
    capacity: Capacity,
    curves: Mapping[str, Curve],
    shade: ScalarMappable,
) -> None:
    axes.set_title(f"{capacity.model}, {capacity.format}", fontsize=8)
    runs = summary.runs_of(capacity).select("run_id", "data_bits_per_parameter")
    for run_id, data_bits_per_parameter in runs.iter_rows():
        axes.plot(
            [point["step"] for point in curves[run_id]],
            [point["memorised_bits"] for point in curves[run_id]],
            color=shade.to_rgba(data_bits_per_parameter),
            linewidth=1,
        )
    if isinstance(capacity.plateau, Plateau):
        axes.axhline(capacity.capacity_bits, color=ACCENT, linestyle="--", linewidth=1)
    short_numbers(axes.xaxis, axes.yaxis)


def format_keys(summary: Summary, *, coloured: bool = False) -> list[Handle]:
    """A key for each format."""
    return [
        line_key(
            name,
            color=look.colour if coloured else GREY,
            marker=look.marker,
            linestyle=look.linestyle,
        )
        for name, look in looks(summary).items()
    ]


def hollow_key(label: str) -> Handle:
    """What a hollow mark means."""
    return line_key(label, color=GREY, linestyle="none", marker="o", markerfacecolor="white")
