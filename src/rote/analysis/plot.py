"""Describe a figure as layers of tidy tables, and draw it: legend, facets, intervals and CSV.

A layer is a table with one row per mark. If it has ``<y>_low`` and ``<y>_high`` (`tidy` makes them
from an `Estimate`) marks get error bars, and a "band" is drawn between them; the same for ``<x>``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.ticker import PercentFormatter

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
from rote.core.arrays import Floats

Form = Literal["plain", "count", "ratio", "share"]
MARGIN = 0.06  # beyond the outermost marks, as a share of their distance
LEAST_DECADES = 0.3  # on both sides of a single value on a logarithmic axis


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis: its label, its scale, and the format of its numbers."""

    label: str
    is_log: bool = False
    form: Form = "plain"
    low: float | None = None  # None: fits the marks
    high: float | None = None
    linear_below: float | None = None  # logarithmic beyond, on both sides of 0
    names: Sequence[str] = ()  # written at 0, 1, 2 and so on

    @classmethod
    def of_rows(cls, names: Sequence[str]) -> "Axis":
        """Return the y axis of rows with these names, the first on top."""
        return cls(label="", names=names, low=len(names) - 0.5, high=-0.5)


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure; its title states the finding."""

    name: str
    title: str
    x: Axis
    y: Axis
    layers: Sequence[Layer]
    caption: str = ""  # HTML
    panel: str = ""  # column with one panel per value; layers without it are in all
    num_columns: int = 2
    panel_inches: float = 3.1
    shares_x: bool = True
    shares_y: bool = True
    empty: str = "nothing measured"  # written into a panel without marks
    hue_order: Sequence[Any] = ()  # all hues over several figures, so that colours agree
    aside: float = 0.0  # distance between hues of one x, in units of a linear x axis
    finish: Callable[[Mapping[Any, Axes]], None] | None = None  # adjustments of this figure only

    def __post_init__(self) -> None:
        """Drop layers without marks, so that they have no legend entry and no row in the CSV."""
        drawn = [layer for layer in self.layers if not layer.frame.is_empty()]
        object.__setattr__(self, "layers", drawn)

    @property
    def panels(self) -> list[Any]:
        """Values of the panels' column, in order; a single None without such a column."""
        return values_of(self.panel, self.layers) if self.panel else [None]

    def csv(self) -> bytes:
        """Return the marks of all layers as one CSV."""
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
        """Draw as SVG and PNG, with the marks as CSV."""
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
        label_outside(grid, x=self.x.label, y=self.y.label)
        if looks.shade is not None:
            colour_scale(figure, grid, looks.shade, label=looks.shade_label)
        if self.finish:
            self.finish(dict(zip(values, grid, strict=True)))
        if handles := looks.handles():
            legend_below(figure, handles)
        return render(figure, name=self.name, alt=self.title, caption=self.caption, data=self.csv())

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
        """Return a layer's marks in one panel; None: in any. Hues are shifted apart."""
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
        """Return all marks along an axis; bars reach at most half the marks' extent beyond them."""
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
    """Return places on the axis: a logarithmic axis has no place for 0."""
    finite = numbers[np.isfinite(numbers)]
    return np.log10(finite[finite > 0]) if is_log else finite


def _frame(scale: XAxis | YAxis, axis: Axis, numbers: Floats) -> None:
    """Set the scale, the limits around all marks, and the format of numbers."""
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
    if axis.names:
        scale.set_ticks(range(len(axis.names)), list(axis.names))
    if axis.form == "share":
        scale.set_major_formatter(PercentFormatter(1.0, decimals=None))
    elif axis.form == "ratio" and axis.is_log:
        plain_ratios(scale)
    elif axis.is_log:
        logarithmic_numbers(scale, limits)
    elif axis.form == "count":
        short_numbers(scale)


def tidy(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Build a table of rows; an `Estimate` ``e`` becomes columns e, e_low, e_high and e_n.

    Low and high are null without an interval.
    """
    return pl.DataFrame([dict(_flat(row)) for row in rows], infer_schema_length=None)


def means(runs: pl.DataFrame, *columns: str, by: Sequence[str]) -> pl.DataFrame:
    """Return one tidy row per group of ``by``: means over seeds of these columns, and intervals."""
    return tidy(
        part.select(by).row(0, named=True)
        | {column: mean_over_seeds(part[column].to_list()) for column in columns}
        for part in runs.partition_by(by, maintain_order=True)
    )


def _flat(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, Estimate):
            yield key, float(value.value)
            yield f"{key}_low", value.low
            yield f"{key}_high", value.high
            yield f"{key}_n", value.n
        else:
            yield key, value
