"""A figure said in layers of tidy tables: one look for all, legend, facets, intervals, data as CSV.

A layer is a table with a row a mark. Where it holds ``<y>_low`` and ``<y>_high`` (as `tidy` makes
of an `Estimate`) marks get error bars, and a "band" is drawn between them; the same for ``<x>``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from rote.analysis.estimate import Estimate
from rote.analysis.estimators import mean_over_seeds
from rote.analysis.figures import (
    GREY,
    RenderedFigure,
    colour_scale,
    in_house_style,
    label_outside,
    legend_below,
    logarithmic_numbers,
    new_figure,
    panels,
    plain_ratios,
    render,
    short_numbers,
)
from rote.analysis.marks import Layer, Styles, draw_layer, values_of

Form = Literal["plain", "count", "ratio", "share"]
Floats = NDArray[np.float64]
MARGIN = 0.06  # beyond the outermost marks, of their distance
LEAST_DECADES = 0.3  # on both sides of one value alone on a logarithmic axis


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What stands at it, and how its numbers are written."""

    label: str
    is_log: bool = False
    form: Form = "plain"
    low: float | None = None  # None: as the marks need it
    high: float | None = None
    linear_below: float | None = None  # logarithmic beyond, on both sides of 0


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure; its title is what is to be seen in it."""

    name: str
    title: str
    x: Axis
    y: Axis
    layers: Sequence[Layer]
    caption: str = ""  # HTML
    panel: str = ""  # column that panels are told by; layers without it are in all
    num_columns: int = 2
    panel_inches: float = 3.1
    shares_x: bool = True
    shares_y: bool = True
    empty: str = "nothing measured"  # written into a panel without marks
    hue_order: Sequence[Any] = ()  # all hues of more than one figure, so that colours agree
    aside: float = 0.0  # how far hues of one x stand apart, in units of a linear x axis
    finish: Callable[[Mapping[Any, Axes]], None] | None = None  # what is truly a figure's own

    def __post_init__(self) -> None:
        """A layer without marks leaves no entry in the legend and no row in the CSV."""
        drawn = [layer for layer in self.layers if not layer.frame.is_empty()]
        object.__setattr__(self, "layers", drawn)

    @property
    def panels(self) -> list[Any]:
        """Values of the panels' column, in their order; one None where there is no such column."""
        return values_of(self.panel, self.layers) if self.panel else [None]

    def csv(self) -> bytes:
        """All marks under each other."""
        frames = [
            layer.frame.select(pl.exclude(pl.List, pl.Struct, pl.Object)).with_columns(
                pl.lit(layer.label or layer.y or layer.x).alias("layer")
            )
            for layer in self.layers
        ]
        texts = [frame.select(pl.all().cast(pl.String)) for frame in frames]
        return pl.concat(texts, how="diagonal").write_csv().encode() if texts else b""

    @in_house_style
    def draw(self) -> RenderedFigure:
        """As SVG and PNG."""
        values = self.panels or [None]
        num_columns = min(self.num_columns, len(values))
        rows = -(-len(values) // num_columns)
        figure = new_figure(height_inches=1.6 + self.panel_inches * rows, title=self.title)
        grid = panels(
            figure, len(values), num_columns=num_columns, sharex=self.shares_x, sharey=self.shares_y
        )
        looks = Styles(self.layers, self.hue_order)
        for value, axes in zip(values, grid, strict=True):
            if value is not None:
                axes.set_title(str(value))
            self._fill(axes, value, looks)
            _frame(axes.xaxis, self.x, self._numbers("x", None if self.shares_x else value))
            _frame(axes.yaxis, self.y, self._numbers("y", None if self.shares_y else value))
        label_outside(figure, grid, x=self.x.label, y=self.y.label)
        if looks.shade is not None:
            colour_scale(figure, grid, looks.shade, label=looks.shade_label)
        if self.finish:
            self.finish(dict(zip(values, grid, strict=True)))
        if handles := looks.handles():
            legend_below(figure, handles, num_columns=4)
        return render(figure, name=self.name, alt=self.title)

    def _fill(self, axes: Axes, value: Any, looks: "Styles") -> None:
        is_empty = True
        for layer in self.layers:
            frame = self._of(layer, value)
            if not frame.is_empty():
                is_empty = is_empty and layer.kind in ("across", "upright")
                draw_layer(axes, layer, frame, looks)
        if is_empty:
            axes.text(0.5, 0.5, self.empty, transform=axes.transAxes, ha="center", color=GREY)

    def _of(self, layer: Layer, value: Any) -> pl.DataFrame:
        """What of a layer lies in one panel; None: in any. Hues stand aside of each other."""
        frame = layer.frame
        if value is not None and self.panel in frame.columns:
            frame = frame.filter(pl.col(self.panel) == value)
        if not self.aside or not layer.hue or frame.is_empty():
            return frame
        hues = list(Styles(self.layers, self.hue_order).colour_of)
        moves = [self.aside * (place - (len(hues) - 1) / 2) for place in range(len(hues))]
        move = pl.col(layer.hue).replace_strict(hues, moves, return_dtype=pl.Float64)
        return frame.with_columns(pl.col(layer.x) + move)

    def _numbers(self, axis: Literal["x", "y"], value: Any) -> Floats:
        """All marks along an axis; bars as far as half of the marks' extent beyond these."""
        marks, ends = [np.empty(0)], [np.empty(0)]
        for layer in self.layers:
            column, frame = getattr(layer, axis), self._of(layer, value)
            if column and column in frame.columns and layer.kind != "band":
                marks.append(frame[column].cast(pl.Float64).drop_nulls().to_numpy())
            for end in (f"{column}_low", f"{column}_high"):
                if column and end in frame.columns:
                    ends += [frame[end].cast(pl.Float64).drop_nulls().to_numpy()]
        is_log = (self.x if axis == "x" else self.y).is_log
        found, bars = (_placed(np.concatenate(each), is_log) for each in (marks, ends))
        if not len(found):
            return bars
        room = (np.ptp(found) or abs(found[0]) or 1.0) / 2
        return np.concatenate([found, bars.clip(found.min() - room, found.max() + room)])


def _placed(numbers: Floats, is_log: bool) -> Floats:
    """Where they stand on the axis: a logarithmic one has no place for 0."""
    finite = numbers[np.isfinite(numbers)]
    return np.log10(finite[finite > 0]) if is_log else finite


def _frame(scale: XAxis | YAxis, axis: Axis, numbers: Floats) -> None:
    """Kind of scale, limits about all marks, and how numbers are written."""
    low, high = (numbers.min(), numbers.max()) if len(numbers) else (0.0, 1.0)
    margin = MARGIN * (high - low) or (LEAST_DECADES if axis.is_log else abs(high) / 2 or 1.0)
    ends = [low - margin, high + margin]
    if axis.is_log:
        scale.axes.set(**{f"{scale.axis_name}scale": "log"})
        ends = [10.0**end for end in ends]
    elif axis.linear_below:
        set_scale = getattr(scale.axes, f"set_{scale.axis_name}scale")
        set_scale("symlog", linthresh=axis.linear_below)
    given = [axis.low, axis.high]
    limits = [end if own is None else own for end, own in zip(ends, given, strict=True)]
    scale.axes.set(**{f"{scale.axis_name}lim": limits})
    if axis.form == "share":
        scale.set_major_formatter(PercentFormatter(1.0, decimals=None))
    elif axis.form == "ratio" and axis.is_log:
        plain_ratios(scale)
    elif axis.is_log:
        logarithmic_numbers(scale, limits)
    elif axis.form == "count":
        short_numbers(scale)


def tidy(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """A table of rows; of an `Estimate` ``e`` come the columns e, e_low, e_high and e_n.

    Without an interval low and high are null.
    """
    return pl.DataFrame([_flat(row) for row in rows], infer_schema_length=None)


def means(runs: pl.DataFrame, *columns: str, by: Sequence[str]) -> pl.DataFrame:
    """Tidy, a row a group of ``by``: means over seeds of these columns with their intervals."""
    return tidy(
        part.select(by).row(0, named=True)
        | {column: mean_over_seeds(part[column].to_list()) for column in columns}
        for part in runs.partition_by(by, maintain_order=True)
    )


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Estimate):
            low, high = value.interval or (None, None)
            flat |= {
                key: float(value.value), f"{key}_low": low, f"{key}_high": high,
                f"{key}_n": value.n,
            }  # fmt: skip
        else:
            flat[key] = value
    return flat
