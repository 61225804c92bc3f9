"""The figures of an audit: how far each score tells members, and at what price in false alarms."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rote.analysis.audit.membership import CHANCE, Membership, Pair
from rote.analysis.audit.names import named
from rote.analysis.audit.wording import auroc_title, roc_title
from rote.analysis.drawing import (
    ACCENT,
    GREY,
    INK,
    PALETTE,
    Drawing,
    in_house_style,
    legend_below,
    line_key,
    new_figure,
    plot_intervals,
    render,
)
from rote.analysis.quantities.roc import roc_curve

BEST = 3  # curves besides that of words: more only cover each other
LOWEST_RATE = 1e-4


@in_house_style
def draw_aurocs(found: Membership, facts: Mapping[str, Any]) -> Drawing:
    """A row a score, all evaluated documents; the score that was chosen stands out."""
    title = auroc_title(found, facts)
    names = list(found.qualities)
    figure = new_figure(height_inches=1.9 + 0.27 * len(names), title=title)
    axes = figure.subplots()
    for row, name in enumerate(names):
        chosen = name == found.score
        plot_intervals(
            axes, [row], [found.qualities[name].auroc], across=True,
            color=ACCENT if chosen else PALETTE[0], markersize=5,
        )  # fmt: skip
    axes.axvline(CHANCE, color=GREY, linewidth=1)
    blind = found.blind.auroc
    axes.axvline(blind.value, color=INK, linestyle="--", linewidth=1)
    axes.axvspan(*blind.ends, color=GREY, alpha=0.15, linewidth=0)
    axes.set_yticks(range(len(names)), [named(name, facts).name for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("AUROC, 95 % interval")
    keys = [
        line_key("score", color=PALETTE[0], marker="o", linestyle="none"),
        line_key("chosen on the calibration half", color=ACCENT, marker="o", linestyle="none"),
        line_key("words alone, no model", color=INK, linestyle="--"),
        line_key("chance", color=GREY),
    ]
    legend_below(figure, keys, num_columns=2)
    return render(figure, name="aurocs", alt=title)


@in_house_style
def draw_roc(
    found: Membership, pairs: Mapping[str, Pair], blind: Pair, facts: Mapping[str, Any]
) -> Drawing:
    """The best scores, words alone, and chance; both axes logarithmic."""
    title = roc_title(found)
    figure = new_figure(height_inches=5.2, title=title)
    axes = figure.subplots()
    shown = _best(found)
    lowest = max(LOWEST_RATE, 0.5 / found.blind.num_nonmembers)
    colours = [ACCENT, *(colour for colour in PALETTE if colour not in (ACCENT, INK))]
    for name, colour in zip(shown, colours, strict=False):
        _plot_curve(axes, pairs[name], lowest, color=colour, label=named(name, facts).name)
    _plot_curve(axes, blind, lowest, color=INK, linestyle="--", label="words alone, no model")
    axes.plot([lowest, 1], [lowest, 1], color=GREY, linewidth=1, label="chance")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(lowest, 1)
    axes.set_ylim(lowest, 1.1)
    for scale in (axes.xaxis, axes.yaxis):
        scale.set_major_formatter("{x:g}")
    axes.set_xlabel("false-positive rate: non-members called members")
    axes.set_ylabel("true-positive rate: members found")
    figure.legend(loc="outside lower left", ncols=3)
    return render(figure, name="roc", alt=title)


def _best(found: Membership) -> Sequence[str]:
    """The chosen one first, then those with the highest AUROC."""
    others = sorted(found.qualities, key=lambda name: -found.qualities[name].auroc.value)
    return [found.score, *(name for name in others if name != found.score)][: BEST + 1]


def _plot_curve(axes: Axes, pair: Pair, lowest: float, **look: Any) -> None:
    """As steps: between two thresholds there is none."""
    false, true = roc_curve(*pair)
    axes.plot(
        np.maximum(false, lowest / 2), np.maximum(true, lowest / 2), drawstyle="steps-post", **look
    )
