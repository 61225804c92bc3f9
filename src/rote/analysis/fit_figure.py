"""A fitted law as a figure: the curve through its points, and predicted against measured."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rote.analysis.drawing import (
    ACCENT,
    GREY,
    PALETTE,
    Drawing,
    colour_scale,
    in_house_style,
    log_shade,
    logarithmic_numbers,
    new_figure,
    render,
)
from rote.analysis.fit_wording import headline
from rote.analysis.laws.law import COLUMNS, Fitted, Floats, Measured

MOST_LINES = 7  # of a family of curves
NUM_PLACES = 120  # of a curve


@in_house_style
def draw_fit(fitted: Fitted, measured: Measured) -> Drawing:
    """Points and curves over the input that varies most, shaded by the other; then agreement."""
    title = headline(fitted)
    figure = new_figure(height_inches=3.4, title=title)
    left, right = figure.subplots(1, 2)
    if fitted.output == "parameters":
        _draw_optimum(figure, left, fitted, measured)
    else:
        _draw_curves(figure, left, fitted, measured)
    _draw_agreement(right, fitted, measured)
    return render(figure, name=f"fit-{fitted.law}", alt=title)


def _draw_curves(figure: Figure, axes: Axes, fitted: Fitted, measured: Measured) -> None:
    along = max(fitted.inputs, key=lambda name: len(np.unique(measured[name])))
    others = [name for name in fitted.inputs if name != along]
    x, y = measured[along], measured[fitted.output]
    grid = np.geomspace(x.min(), x.max(), NUM_PLACES)
    if not others:
        _draw_band(axes, grid, fitted)
        axes.plot(x, y, "o", color=PALETTE[0])
    else:
        shade = log_shade(measured[others[0]])
        axes.scatter(x, y, c=shade.to_rgba(measured[others[0]]), s=18, zorder=3)
        for value in _few(measured[others[0]]):
            at = measured[others[0]] == value
            fixed = {name: np.median(measured[name][at]) for name in others}
            inputs = [
                grid if name == along else np.full_like(grid, fixed[name]) for name in fitted.inputs
            ]
            axes.plot(grid, fitted.predict(*inputs), color=shade.to_rgba(value), linewidth=1)
        colour_scale(figure, [axes], shade, label=others[0].replace("_", " "))
    _scales(axes, grid, y, along, fitted.output)


def _draw_band(axes: Axes, grid: Floats, fitted: Fitted) -> None:
    axes.plot(grid, fitted.predict(grid), color=ACCENT)
    if fitted.resampled:
        low, high = fitted.interval(grid)
        axes.fill_between(grid, low, high, color=ACCENT, alpha=0.18, linewidth=0)


def _draw_optimum(figure: Figure, axes: Axes, fitted: Fitted, measured: Measured) -> None:
    """The best size over compute, among all runs shaded by their loss."""
    flops, parameters = measured["flops"], measured["parameters"]
    shade = log_shade(measured["loss_nats"])
    axes.scatter(flops, parameters, c=shade.to_rgba(measured["loss_nats"]), s=18, zorder=3)
    grid = np.geomspace(flops.min(), flops.max(), NUM_PLACES)
    _draw_band(axes, grid, fitted)
    colour_scale(figure, [axes], shade, label="loss (nats per token)")
    _scales(axes, grid, parameters, "flops", "parameters")
    axes.set_title("line: the size with the lowest loss")


def _draw_agreement(axes: Axes, fitted: Fitted, measured: Measured) -> None:
    if fitted.output == "parameters":
        axes.set_title("loss over size, a line for each budget")
        _draw_levels(axes, measured)
        return
    seen = measured[fitted.output]
    told = fitted.predict(*(measured[name] for name in fitted.inputs))
    ends = [min(seen.min(), told.min()), max(seen.max(), told.max())]
    axes.plot(ends, ends, color=GREY, linestyle="--")
    axes.plot(told, seen, "o", color=PALETTE[0], markersize=4)
    axes.set_xlabel(f"predicted {fitted.output.replace('_', ' ')}")
    axes.set_ylabel("measured")


def _draw_levels(axes: Axes, measured: Measured) -> None:
    flops, size, loss = measured["flops"], measured["parameters"], measured["loss_nats"]
    shade = log_shade(flops)
    levels = np.round(np.log(flops), 1)
    for level in np.unique(levels):
        at = np.flatnonzero(levels == level)
        order = at[np.argsort(size[at])]
        axes.plot(size[order], loss[order], "o-", color=shade.to_rgba(flops[at[0]]), markersize=4)
    _scales(axes, size, loss, "parameters", "loss_nats")


def _scales(axes: Axes, x: Floats, y: Floats, along: str, output: str) -> None:
    axes.set_xscale("log")
    logarithmic_numbers(axes.xaxis, (float(x.min()), float(x.max())))
    if output in ("parameters", "memorised_bits"):
        axes.set_yscale("log")
        logarithmic_numbers(axes.yaxis, (float(y.min()), float(y.max())))
    axes.set_xlabel(f"{along.replace('_', ' ')} ({COLUMNS[along].split(';')[0].split(',')[0]})")
    axes.set_ylabel("loss (nats per token)" if output == "loss_nats" else output.replace("_", " "))


def _few(values: Floats) -> Floats:
    """So many of the distinct ones, spread over all."""
    distinct = np.unique(values)
    places = np.linspace(0, len(distinct) - 1, min(MOST_LINES, len(distinct))).round().astype(int)
    return distinct[np.unique(places)]
