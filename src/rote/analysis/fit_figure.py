"""Plot a fitted law: the curve through its runs, and predicted against measured."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from rote.analysis.figures import ACCENT, GREY, PALETTE, logarithmic_numbers
from rote.analysis.laws.law import FittedLaw, Floats, LawData
from rote.analysis.marks import Layer
from rote.analysis.metrics import title_of
from rote.analysis.plot import Axis, Plot
from rote.core.units import bits_from_nats

MOST_LINES = 7  # curves in one family
NUM_PLACES = 120  # points per curve
THROUGH, AGREEMENT = "the law through the runs", "measured against predicted"
SIZES, BUDGETS = "line: the size with the lowest loss", "loss over size, a line for each budget"
LOSS = "loss_nats"
AS_SHOWN = {LOSS: "heldout_bits_per_token"}
POINTS = {"marker": "o", "markersize": 4, "alpha": 0.7}


def fit_plot(
    name: str, fitted: FittedLaw, measured: LawData, *, title: str, caption: str, inches: float
) -> Plot:
    """Plot runs and curves over the input that varies most, shaded by the other; then agreement."""
    is_optimum = fitted.output == "parameters"
    layers = _optimum(fitted, measured) if is_optimum else _curves(fitted, measured)
    along, output = layers[0].x, shown_name(fitted.output)

    def finish(grid: Mapping[Any, Axes]) -> None:
        left, right = grid.values()
        left.set_ylabel(title_of(output))
        if is_optimum:
            right.set(
                yscale="linear", xlabel=title_of("parameters"), ylabel=title_of(AS_SHOWN[LOSS])
            )
            right.autoscale(axis="y")
            return
        right.set(xscale=left.get_yscale(), xlabel=f"predicted {title_of(output)}")
        right.set_xlim(right.get_ylim())
        if right.get_xscale() == "log":
            logarithmic_numbers(right.xaxis, right.get_xlim())

    return Plot(
        name=name,
        title=title,
        caption=caption,
        panel="panel",
        x=Axis(label=title_of(along), is_log=True),
        y=Axis(label="", is_log=fitted.output in ("parameters", "memorised_bits"), form="count"),
        shares_x=False,
        shares_y=False,
        panel_inches=inches,
        layers=layers,
        finish=finish,
    )


def shown_name(column: str) -> str:
    """Return the shown column for a law's column: loss is shown in bits."""
    return AS_SHOWN.get(column, column)


def _shown(column: str, values: Floats) -> Floats:
    return bits_from_nats(values) if column == LOSS else values


def _frame(panel: str, **columns: Floats) -> pl.DataFrame:
    shown = {shown_name(key): _shown(key, values) for key, values in columns.items()}
    return pl.DataFrame(shown).with_columns(panel=pl.lit(panel))


def _curves(fitted: FittedLaw, measured: LawData) -> list[Layer]:
    """Plot the law over one input, with a line for some values of another, and its predictions."""
    along = max(fitted.inputs, key=lambda name: len(np.unique(measured[name])))
    others = [name for name in fitted.inputs if name != along]
    shown = [along, fitted.output, *others[:1]]
    points = _frame(THROUGH, **{name: measured[name] for name in shown})
    grid = np.geomspace(measured[along].min(), measured[along].max(), NUM_PLACES)
    output, agreement = shown_name(fitted.output), _agreement(fitted, measured)
    if not others:
        return [_points(points, along, output), *_band(fitted, along, grid, THROUGH), *agreement]
    shaded, lines = others[0], []
    for value in _few(measured[shaded]):
        at = measured[shaded] == value
        fixed = {name: np.full_like(grid, np.median(measured[name][at])) for name in others}
        inputs = {along: grid, **fixed}
        predicted = fitted.predict(*(inputs[name] for name in fitted.inputs))
        columns = {**inputs, fitted.output: predicted}
        lines.append(_frame(THROUGH, **{name: columns[name] for name in shown}))
    family: dict[str, Any] = {"x": along, "y": output, "shade": shaded, "label": title_of(shaded)}
    return [
        Layer(frame=points, look=POINTS, **family),
        Layer(frame=pl.concat(lines), kind="line", look={"linewidth": 1}, **family),
        *agreement,
    ]


def _points(frame: pl.DataFrame, x: str, y: str) -> Layer:
    return Layer(frame=frame, x=x, y=y, label="one run", look={**POINTS, "color": PALETTE[0]})


def _band(fitted: FittedLaw, along: str, grid: Floats, panel: str) -> list[Layer]:
    """Return a law of one input, with the interval of its resamples."""
    output = shown_name(fitted.output)
    law = _frame(panel, **{along: grid, fitted.output: fitted.predict(grid)})
    look = {"color": ACCENT}
    layers = [Layer(frame=law, kind="line", x=along, y=output, label="law", look=look)]
    if fitted.resampled:
        ends = [pl.Series(_shown(fitted.output, end)) for end in fitted.interval(grid)]
        band = law.with_columns(ends[0].alias(f"{output}_low"), ends[1].alias(f"{output}_high"))
        layers.append(Layer(frame=band, kind="band", x=along, y=output, label="95 % interval",
                            look=look))  # fmt: skip
    return layers


def _agreement(fitted: FittedLaw, measured: LawData) -> list[Layer]:
    output, seen = shown_name(fitted.output), measured[fitted.output]
    predicted = fitted.predict(*(measured[name] for name in fitted.inputs))
    points = _frame(AGREEMENT, **{fitted.output: seen}).with_columns(
        predicted=pl.Series(_shown(fitted.output, predicted))
    )
    ends = np.array([min(seen.min(), predicted.min()), max(seen.max(), predicted.max())])
    equal = _frame(AGREEMENT, **{fitted.output: ends})
    return [
        Layer(frame=equal.with_columns(predicted=output), kind="line", x="predicted", y=output,
              label="equal", look={"linestyle": "--", "color": GREY}),
        _points(points, "predicted", output),
    ]  # fmt: skip


def _optimum(fitted: FittedLaw, measured: LawData) -> list[Layer]:
    """Plot the best size over compute, among all runs; and loss over size, a line per budget."""
    flops, size = measured["flops"], measured["parameters"]
    grid = np.geomspace(flops.min(), flops.max(), NUM_PLACES)
    runs = _frame(SIZES, flops=flops, parameters=size)
    levels = _frame(BUDGETS, flops=flops, parameters=size, loss_nats=measured[LOSS])
    budgets = levels.with_columns(level=pl.col("flops").log().round(1)).with_columns(
        flops=pl.col("flops").first().over("level")
    )
    shaded: dict[str, Any] = {"shade": "flops", "label": title_of("flops"), "look": POINTS}
    loss: dict[str, Any] = {"x": "parameters", "y": AS_SHOWN[LOSS]}
    return [
        Layer(frame=runs, x="flops", y="parameters", **shaded),
        *_band(fitted, "flops", grid, SIZES),
        Layer(frame=budgets, **loss, **shaded),
        Layer(frame=budgets.sort("parameters"), kind="line", each="level", **loss, **shaded),
    ]


def _few(values: Floats) -> Floats:
    """Choose at most `MOST_LINES` of the distinct values, evenly spread."""
    distinct = np.unique(values)
    places = np.linspace(0, len(distinct) - 1, min(MOST_LINES, len(distinct))).round().astype(int)
    return distinct[np.unique(places)]
