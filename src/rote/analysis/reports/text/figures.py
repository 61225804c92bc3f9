"""The figures of the report on text, but for double descent, which others draw too."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from rote.analysis.drawing import (
    GREY,
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
    short_numbers,
)
from rote.analysis.estimate import Estimate, Rate
from rote.analysis.reports.text import wording
from rote.analysis.reports.text.remembered import Remembered
from rote.analysis.reports.text.study import REFERENCE_NAMES, Extracted, Quality, Study

MAX_MARKS = 3000  # of a scatter: more only blacken it
LAST_LINEAR_BITS = 1.0  # below that a mem_U axis is linear, so that 0 has a place

Colours = Mapping[str, str]


@in_house_style
def draw_unintended(found: Study) -> Drawing:
    """Sum of mem_U against N, a panel a reference, a line a series, with the capacity of each."""
    title = wording.unintended(found)
    figure = new_figure(height_inches=4.6, title=title)
    grid = panels(figure, len(found.references), num_columns=2, sharey=True)
    colour_of = _colours(found)
    for kind, axes in zip(found.references, grid, strict=True):
        axes.set_title(f"reference: {REFERENCE_NAMES[kind]}")
        axes.set_xscale("log")
        axes.set_yscale("log")
        for series, colour in colour_of.items():
            _plot_unintended(axes, found.targets.filter(pl.col("series") == series), kind, colour)
        logarithmic_numbers(axes.xaxis, axes.get_xlim())
        logarithmic_numbers(axes.yaxis, axes.get_ylim())
    label_outside(figure, grid, x="training sequences N", y="sum of mem_U (bits)")
    handles = [
        *_series_keys(colour_of),
        line_key("max code", color=GREY, marker="o"),
        line_key("mixture code", color=GREY, linestyle=":"),
        line_key("capacity", color=GREY, linestyle="--"),
    ]
    legend_below(figure, handles, num_columns=4)
    return render(figure, name="unintended", alt=title)


def _plot_unintended(axes: Axes, runs: pl.DataFrame, kind: str, colour: str) -> None:
    name, mixture_name = (f"{kind}.{code}_code_bits" for code in ("max", "mixture"))
    shown = runs.filter(pl.col(name) > 0)
    means = shown.group_by("task.num_sequences").agg(pl.col(name, mixture_name).mean())
    means = means.sort("task.num_sequences")
    axes.plot(means["task.num_sequences"], means[name], color=colour)
    mixture = means.filter(pl.col(mixture_name) > 0)
    axes.plot(
        mixture["task.num_sequences"], mixture[mixture_name],
        color=colour, linestyle=":", linewidth=1,
    )  # fmt: skip
    for converged in (True, False):
        marks = shown.filter(pl.col("training.converged") == converged)
        axes.plot(
            marks["task.num_sequences"], marks[name], linestyle="none", marker="o", markersize=4,
            color=colour, markerfacecolor=colour if converged else "white",
        )  # fmt: skip
    axes.axhline(runs["capacity_bits"][0], color=colour, linestyle="--", linewidth=0.8)


@in_house_style
def draw_oracle_quality(found: Study) -> Drawing:
    """Mean mem_U of a run against the held-out loss of whatever serves as its reference."""
    title = wording.quality(found)
    figure = new_figure(height_inches=4.6, title=title)
    axes = figure.subplots()
    colour_of = _colours(found)
    for series, colour in colour_of.items():
        qualities = [each for each in found.qualities if each.series == series]
        for pool in ("reference", "train"):
            _plot_qualities(axes, [q for q in qualities if q.reference_pool == pool], colour)
    axes.set_xlabel("held-out loss of the reference (bits per token)")
    axes.set_ylabel("mean mem_U (bits a sample)")
    handles = [
        *_series_keys(colour_of),
        line_key("reference on its own pool", color=GREY, marker="o"),
        line_key(
            "reference on the train pool, samples beyond its data",
            color=GREY, linestyle="none", marker="o", markerfacecolor="white",
        ),
    ]  # fmt: skip
    legend_below(figure, handles, num_columns=2)
    return render(figure, name="oracle_quality", alt=title)


def _plot_qualities(axes: Axes, qualities: Sequence[Quality], colour: str) -> None:
    if not qualities:
        return
    is_outside = qualities[0].reference_pool == "reference"
    plot_intervals(
        axes, [each.reference_heldout_bits_per_token for each in qualities],
        [each.mean_bits for each in qualities],
        color=colour, linestyle="-" if is_outside else "none",
        markerfacecolor=colour if is_outside else "white",
    )  # fmt: skip


@in_house_style
def draw_extraction(found: Study) -> Drawing:
    """Share of sequences extracted against N, train and held-out, a panel a prefix."""
    title = wording.extraction(found)
    prefixes = sorted({each.extraction.prefix_tokens for each in found.extracted})
    figure = new_figure(height_inches=4.2, title=title)
    grid = panels(figure, len(prefixes), num_columns=len(prefixes), sharey=True)
    colour_of = _colours(found)
    for prefix, axes in zip(prefixes, grid, strict=True):
        axes.set_title(f"prefix of {prefix} tokens")
        axes.set_xscale("log")
        axes.set_ylim(-0.03, 1.03)
        for series, colour in colour_of.items():
            _plot_extracted(axes, _extracted(found, series, prefix), colour)
        logarithmic_numbers(axes.xaxis, axes.get_xlim())
    label_outside(figure, grid, x="training sequences N", y="share extracted")
    handles = [
        *_series_keys(colour_of),
        line_key("train", color=GREY, marker="o"),
        line_key("held-out", color=GREY, marker="x", linestyle="--"),
    ]
    legend_below(figure, handles, num_columns=4)
    return render(figure, name="extraction", alt=title)


def _extracted(found: Study, series: str, prefix: int) -> list[Extracted]:
    return [
        each
        for each in found.extracted
        if each.series == series and each.extraction.prefix_tokens == prefix
    ]


def _plot_extracted(axes: Axes, points: Sequence[Extracted], colour: str) -> None:
    sizes = [each.num_sequences for each in points]
    for split, marker, linestyle in (("train", "o", "-"), ("heldout", "x", "--")):
        rates: list[Rate] = [getattr(each.extraction, split) for each in points]
        plot_intervals(axes, sizes, rates, color=colour, marker=marker, linestyle=linestyle)


@in_house_style
def draw_covariates(found: Study) -> Drawing:
    """mem_U against TF-IDF for the largest model, and the rank correlation of every covariate."""
    title = wording.covariates(found)
    figure = new_figure(height_inches=4.8, title=title)
    scatter, bars = figure.subplots(1, 2)
    colour_of = _colours(found)
    largest = found.remembered[-1]
    _plot_scatter(scatter, largest, colour_of[largest.series])
    names = list(largest.correlations)
    for index, each in enumerate(found.remembered):
        places = np.arange(len(names)) + 0.6 * (index / max(1, len(found.remembered) - 1) - 0.5)
        is_fullest = index < len(found.series)
        for place, name in zip(places, names, strict=True):
            _plot_correlation(
                bars, each.correlations[name], place, colour_of[each.series], filled=is_fullest
            )
    bars.axvline(0, color=GREY, linewidth=0.8)
    bars.set_yticks(range(len(names)), [wording.COVARIATE_NAMES[name] for name in names])
    bars.invert_yaxis()
    bars.set_xlim(-1, 1)
    bars.set_xticks([-1, -0.5, 0, 0.5, 1])
    bars.set_xlabel("Spearman's rho with mem_U, 95 % interval")
    legend_below(figure, _series_keys(colour_of), num_columns=4)
    return render(figure, name="covariates", alt=title)


def _plot_scatter(axes: Axes, each: Remembered, colour: str) -> None:
    axes.set_title(each.name)
    axes.plot(
        each.covariates["tf_idf"][:MAX_MARKS], each.mem_u_bits[:MAX_MARKS],
        linestyle="none", marker="o", markersize=2.5, alpha=0.4, color=colour, rasterized=True,
    )  # fmt: skip
    axes.set_yscale("symlog", linthresh=LAST_LINEAR_BITS)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("TF-IDF of the sample (nats a word)")
    axes.set_ylabel("mem_U of the sample (bits)")
    short_numbers(axes.yaxis)


def _plot_correlation(
    axes: Axes, correlation: Estimate | None, place: float, colour: str, *, filled: bool
) -> None:
    if correlation is None:
        return
    plot_intervals(
        axes, [place], [correlation], across=True, color=colour,
        markerfacecolor=colour if filled else "white",
    )  # fmt: skip


def _colours(found: Study) -> Colours:
    return dict(zip(found.series, colours(len(found.series)), strict=True))


def _series_keys(colour_of: Colours) -> list[Handle]:
    return [line_key(series, color=colour) for series, colour in colour_of.items()]
