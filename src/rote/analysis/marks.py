"""Draw layers of marks into axes, and name them in a legend."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rote.analysis.figures import GREY, PRECISION_LOOKS, Handle, colours, log_shade

Kind = Literal["points", "line", "steps", "band", "across", "upright"]
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":")
FAINT = {"alpha": 0.6, "markersize": 3, "markeredgewidth": 0.7}  # single runs behind a mean


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Marks of one kind.

    "across" and "upright" are lines through the whole panel, at ``y`` or at ``x``.
    """

    frame: pl.DataFrame
    kind: Kind = "points"
    x: str = ""
    y: str = ""
    hue: str = ""  # column shown by colour; if none, grey, or as ``look`` says
    style: str = ""  # column shown by marker and dash
    each: str = ""  # column with one line per value
    shade: str = ""  # numeric column shown by the darkness of a line
    hollow: str = ""  # boolean column: open marks
    hollow_label: str = ""
    label: str = ""  # legend entry of the whole layer
    text: str = ""  # column written beside the marks
    look: Mapping[str, Any] = field(default_factory=dict)  # passed to matplotlib


def runs_and_means(
    runs: pl.DataFrame, means: pl.DataFrame, *, hollow: str = "", hollow_label: str = "", **of: Any
) -> list[Layer]:
    """Return layers of single runs, of means over seeds, and of lines through the means.

    Single runs are faint and small; means have intervals. ``of`` is passed to all three layers: x,
    y, hue, style, look. ``hollow`` applies to single runs, and to means that have such a column.
    """
    faint = of | {"look": {**of.get("look", {}), **FAINT}}
    of_means = hollow if hollow in means.columns else ""
    return [
        Layer(frame=runs, hollow=hollow, hollow_label=hollow_label, **faint),
        Layer(frame=means, kind="line", **of),
        Layer(frame=means, hollow=of_means, hollow_label=hollow_label, **of),
    ]


def values_of(column: str, layers: Sequence[Layer]) -> list[Any]:
    """Return the values of a column, over all layers that have it, in order of appearance."""
    found = [
        value
        for layer in layers
        if column in layer.frame.columns
        for value in layer.frame[column].unique(maintain_order=True)
        if value is not None
    ]
    return list(dict.fromkeys(found))


class Styles:
    """Colour, marker and dash of each value, the same in all layers of a figure."""

    def __init__(self, layers: Sequence[Layer], hue_order: Sequence[Any]) -> None:
        self.layers = layers
        hues = list(dict.fromkeys([*hue_order, *_shown(layers, "hue")]))
        are_precisions = set(hues) <= set(PRECISION_LOOKS)
        palette = [PRECISION_LOOKS[hue][0] for hue in hues] if are_precisions else None
        self.colour_of = dict(zip(hues, palette or colours(len(hues)), strict=True))
        cycles = zip(itertools.cycle(MARKERS), itertools.cycle(DASHES), strict=False)
        self.style_of = {
            one: PRECISION_LOOKS[one][1:] if one in PRECISION_LOOKS else pair
            for one, pair in zip(_shown(layers, "style"), cycles, strict=False)
        }
        numbers = _shown(layers, "shade")
        self.shade = log_shade(numbers) if numbers else None
        self.shade_label = next((layer.label for layer in layers if layer.shade), "")

    def of(self, layer: Layer, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return colour, marker and line of one row's group."""
        found: dict[str, Any] = {"color": GREY, "marker": "o", "linestyle": "-"}
        if layer.hue:
            found["color"] = self.colour_of[row[layer.hue]]
        if layer.shade and self.shade is not None:
            found["color"] = self.shade.to_rgba(row[layer.shade])
        if layer.style:
            found["marker"], found["linestyle"] = self.style_of[row[layer.style]]
        return found | dict(layer.look)

    def handles(self) -> list[Handle]:
        """Return the legend: hues, styles, then layers with their own label, and hollow marks."""
        made: dict[object, Handle] = {}
        for handle in self._every_handle():
            made.setdefault(handle.get_label(), handle)
        return list(made.values())

    def _every_handle(self) -> Iterator[Handle]:
        for layer in self.layers:
            for hue in values_of(layer.hue, [layer]):
                is_both = layer.style == layer.hue
                colour = {"color": self.colour_of[hue]}
                yield _key(hue, layer, self.of(layer, {layer.hue: hue}) if is_both else colour)
        for layer in self.layers:
            if layer.style != layer.hue:
                for style in values_of(layer.style, [layer]):
                    marker, dash = self.style_of[style]
                    yield _key(style, layer, {"color": GREY, "marker": marker, "linestyle": dash})
        for layer in self.layers:
            if layer.label and not layer.shade:
                yield _key_of(layer)
            if layer.hollow and layer.frame[layer.hollow].any():
                yield _key(layer.hollow_label, layer, {"color": GREY, "markerfacecolor": "white"})


def _shown(layers: Sequence[Layer], by: Literal["hue", "style", "shade"]) -> list[Any]:
    """Return the values that layers show by colour, by marker or by darkness, each once."""
    found = [value for layer in layers for value in values_of(getattr(layer, by), [layer])]
    return list(dict.fromkeys(found))


def _key(label: object, layer: Layer, look: Mapping[str, Any]) -> Line2D:
    """Return a legend entry drawn as the layer is: a marker, or a line."""
    if layer.kind == "points":
        look = {"marker": "o", **look, "linestyle": "none"}
    else:
        look = {key: look[key] for key in ("color", "linestyle", "linewidth") if key in look}
    return Line2D([], [], label=str(label), **look)


def _key_of(layer: Layer) -> Handle:
    look = {"color": GREY, **layer.look}
    if layer.kind == "band":
        return Patch(facecolor=look["color"], alpha=look.get("alpha", 0.25), label=layer.label)
    known = {key: value for key, value in look.items() if hasattr(Line2D, f"set_{key}")}
    return _key(layer.label, layer, known)


def draw_layer(axes: Axes, layer: Layer, frame: pl.DataFrame, looks: Styles) -> None:
    """Draw each group that hue, style, shade and ``each`` distinguish, one after another."""
    by = list(dict.fromkeys(filter(None, (layer.hue, layer.style, layer.each, layer.shade))))
    for group in frame.partition_by(by, maintain_order=True) if by else [frame]:
        look = looks.of(layer, group.row(0, named=True))
        match layer.kind:
            case "points":
                _draw_points(axes, layer, group, look)
            case "band":
                _draw_band(axes, layer, group, look)
            case "across" | "upright":
                _draw_rules(axes, layer, group, _of_line(look))
            case _:
                drawn = "steps-post" if layer.kind == "steps" else "default"
                axes.plot(group[layer.x], group[layer.y], drawstyle=drawn, **_of_line(look))


def _of_line(look: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in look.items() if key != "marker"}


def _draw_rules(axes: Axes, layer: Layer, group: pl.DataFrame, look: dict[str, Any]) -> None:
    is_across = layer.kind == "across"
    rule, column = (axes.axhline, layer.y) if is_across else (axes.axvline, layer.x)
    for value in group[column].drop_nulls().unique():
        rule(value, **({"linewidth": 1.0} | look))


def _draw_band(axes: Axes, layer: Layer, group: pl.DataFrame, look: dict[str, Any]) -> None:
    ends = group[f"{layer.y}_low"], group[f"{layer.y}_high"]
    filled = {"alpha": 0.15, "linewidth": 0} | dict(layer.look) | {"color": look["color"]}
    axes.fill_between(group[layer.x], *ends, **filled)


def _draw_points(axes: Axes, layer: Layer, group: pl.DataFrame, look: dict[str, Any]) -> None:
    bars = {"capsize": 2, "elinewidth": 0.8, "markersize": 4.5}
    has_bars = {"xerr": _reach(group, layer.x), "yerr": _reach(group, layer.y)}
    for is_hollow in (False, True):
        chosen = np.full(group.height, not is_hollow)
        if layer.hollow:
            chosen = (group[layer.hollow].fill_null(False) == is_hollow).to_numpy()
        if not chosen.any():
            continue
        part = group.filter(pl.Series(chosen))
        face = {"markerfacecolor": "white"} if is_hollow else {}
        reach: dict[str, Any] = {
            key: None if each is None else each[:, chosen] for key, each in has_bars.items()
        }
        axes.errorbar(
            part[layer.x], part[layer.y], **reach, **(bars | look | face | {"linestyle": "none"})
        )
    if layer.text:
        for row in group.iter_rows(named=True):
            axes.annotate(
                str(row[layer.text] or ""), (row[layer.x], row[layer.y]), xytext=(4, 3),
                textcoords="offset points", fontsize=6.5, color=look["color"],
            )  # fmt: skip


def _reach(group: pl.DataFrame, column: str) -> Any:
    """Return the bars below and above, 0 without an interval; None if no mark has one."""
    names = f"{column}_low", f"{column}_high"
    if not set(names) <= set(group.columns) or group[names[0]].null_count() == group.height:
        return None
    value, low, high = (group[name].to_numpy().astype(float) for name in (column, *names))
    return np.abs(np.nan_to_num(np.stack([value - low, high - value])))
