"""How sizes and runs look in every figure of the report on leakage."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from rote.analysis.drawing import GREY, Handle, colours, line_key
from rote.analysis.quantities.convergence import NOT_CONVERGED
from rote.analysis.reports.leakage.study import Study

MOST_PANELS = 6  # of one figure: the least, the most, and what lies evenly between
Item = TypeVar("Item")


def colours_of(found: Study) -> Mapping[str, str]:
    """A colour for each series, in the order of size."""
    return dict(zip(found.series, colours(len(found.series)), strict=True))


def size_keys(found: Study) -> list[Handle]:
    """A legend entry for each series, with its parameters."""
    return [
        line_key(f"{series} ({short_count(found.parameters[series])})", color=colour, marker="o")
        for series, colour in colours_of(found).items()
    ]


def unconverged_key() -> Handle:
    """What a hollow mark means."""
    return line_key(
        NOT_CONVERGED,
        color=GREY, linestyle="none", marker="o", markerfacecolor="white",
    )  # fmt: skip


def short_count(number: float) -> str:
    """2,868 as 2.9k."""
    return EngFormatter(places=1 if number >= 1000 else 0, sep="")(number)


def spread(items: Sequence[Item]) -> list[Item]:
    """At most `MOST_PANELS` of them, the first and the last among these."""
    if len(items) <= MOST_PANELS:
        return list(items)
    last = len(items) - 1
    return [items[round(step * last / (MOST_PANELS - 1))] for step in range(MOST_PANELS)]


def columns(num_panels: int) -> int:
    """Of a grid: no row of one beside rows of three."""
    return 2 if num_panels == 4 else min(3, num_panels)


def mark(axes: Axes, x: Any, y: Any, colour: str, *, converged: bool, size: float = 4.5) -> None:
    """Points alone, hollow where a run had not converged."""
    axes.plot(
        x, y, linestyle="none", marker="o", markersize=size, color=colour,
        markerfacecolor=colour if converged else "white",
    )  # fmt: skip
