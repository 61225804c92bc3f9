"""Set the look of every figure: one palette, text kept as text, the same bytes each time."""

import io
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter

from rote.analysis.estimate import typeset

Handle = Line2D | Patch

# Okabe and Ito 2008, "Color Universal Design", without yellow, which is too pale on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#6B6B6B"
INK = "#000000"
DOTTED = {"color": GREY, "linestyle": ":", "linewidth": 1}  # the look of a guide for the eye
RAMP = LinearSegmentedColormap.from_list(
    "cividis without its palest end", mpl.colormaps["cividis"](np.linspace(0.88, 0, 256))
)
ACCENT = PALETTE[1]  # for the one line that matters among many

TITLE = "title"  # an id in the SVG: a narrow page writes the title above instead
LETTERS_PER_LINE = 82  # wrapping of titles
LEGEND_COLUMNS = 4  # at most
WIDTH_INCHES = 8.4
PNG_DOTS_PER_INCH = 160

LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # shipped with matplotlib, so that layout is the same everywhere
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.4,
    "lines.markersize": 5.5,
    "figure.titlesize": 11.5,
    "figure.titleweight": "bold",
    "svg.fonttype": "none",
    "svg.hashsalt": "rote",
    "path.simplify_threshold": 0.5,  # pixels: keeps files of long training curves small
}


# Colour, marker and dash of a precision, which differ in shape as well as in colour.
PRECISION_LOOKS = {
    "fp32": ("#0072B2", "o", "-"),
    "tf32": ("#009E73", "v", "-."),
    "bf16_mixed": ("#D55E00", "s", "--"),
    "bf16_true": ("#CC79A7", "^", ":"),
    "fp16_mixed": ("#E69F00", "D", "--"),
    "fp8": ("#8C564B", "<", "-."),
    "qat_int8": ("#56B4E9", "P", "-"),
    "qat_int4": ("#6B6B6B", "X", "-"),
    "qat_ternary": ("#000000", "d", "-"),
}


@dataclass(frozen=True, kw_only=True)
class RenderedFigure:
    """One finished figure; ``alt`` describes it in words."""

    name: str
    alt: str
    svg: bytes
    png: bytes
    caption: str = ""  # HTML
    data: bytes = b""  # the marks as CSV


in_house_style = mpl.rc_context(LOOK)  # decorates a function that draws and renders


def new_figure(*, height_inches: float, title: str) -> Figure:
    """Return an empty figure titled with its finding, in lines; no global state is changed."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    FigureCanvasAgg(figure)
    words = typeset(title.replace(" %", "\N{NO-BREAK SPACE}%"))
    heading = figure.suptitle(
        textwrap.fill(words, LETTERS_PER_LINE), x=0.01, horizontalalignment="left"
    )
    heading.set_gid(TITLE)
    return figure


def panels(
    figure: Figure, num_panels: int, *, num_columns: int, sharex: bool, sharey: bool
) -> list[Axes]:
    """Return a grid of axes; the lowest of every column has its tick labels."""
    num_rows = -(-num_panels // num_columns)
    grid = figure.subplots(num_rows, num_columns, sharex=sharex, sharey=sharey, squeeze=False)
    for spare in grid.flat[num_panels:]:
        figure.delaxes(spare)
    for axes in grid.flat[max(0, num_panels - num_columns) : num_panels]:
        axes.tick_params(labelbottom=True)
    return list(grid.flat[:num_panels])


def legend_below(figure: Figure, handles: Sequence[Handle]) -> None:
    """Put a legend below the axes, never over the data; in fewer columns if they are too wide."""
    for num_columns in range(LEGEND_COLUMNS, 0, -1):
        legend = figure.legend(handles=handles, loc="outside lower left", ncols=num_columns)
        if num_columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def label_outside(grid: Sequence[Axes], *, x: str, y: str) -> None:
    """Label the axes of the outer panels only."""
    num_columns = _shape(grid)[1]
    for index, axes in enumerate(grid):
        if index % num_columns == 0:
            axes.set_ylabel(y)
        if index + num_columns >= len(grid):
            axes.set_xlabel(x)


def short_numbers(scale: Axis) -> None:
    """Write 2,000,000 as 2M, a billion as 1B, 10^18 as 1e18; below 1 a decimal fraction."""
    large = EngFormatter(sep="")

    def short(number: float, _: int) -> str:
        if 1 <= abs(number) < 1e15:
            return large(number).replace("G", "B")
        return typeset(f"{number:g}".replace("e+", "e"))

    scale.set_major_formatter(FuncFormatter(short))


def plain_ratios(scale: Axis) -> None:
    """Write 0.1, 0.2, 0.5, 1, 2, 5 on a logarithmic axis of ratios."""
    scale.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    scale.set_major_formatter("{x:g}")
    scale.set_minor_formatter(NullFormatter())


def logarithmic_numbers(scale: Axis, limits: Sequence[float]) -> None:
    """Write short numbers at 1, 2 and 5 of each decade; only at decades if there are many."""
    subdivisions: tuple[float, ...] = (1.0, 2.0, 5.0) if limits[1] < 120 * limits[0] else (1.0,)
    if limits[1] < 5 * limits[0]:
        subdivisions = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
    scale.set_major_locator(LogLocator(subs=subdivisions, numticks=12))
    scale.set_minor_formatter(NullFormatter())
    short_numbers(scale)


def colours(num_needed: int) -> list[str]:
    """Return colours that colour-blind readers tell apart: the palette, or a lightness ramp."""
    if num_needed <= len(PALETTE):
        return list(PALETTE[:num_needed])
    positions = [index / (num_needed - 1) for index in range(num_needed)]
    return [to_hex(RAMP(position)) for position in positions]


def log_shade(values: Iterable[float]) -> ScalarMappable:
    """Return a colour for every positive value, darker for larger values."""
    return ScalarMappable(LogNorm(min(values), max(values)), RAMP)


def colour_scale(
    figure: Figure, grid: Sequence[Axes], shade: ScalarMappable, *, label: str
) -> None:
    """Draw the key to a shade, right of all panels."""
    bar = figure.colorbar(shade, ax=list(grid), label=label, aspect=20 * _shape(grid)[0], pad=0.01)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    bar.ax.yaxis.set_major_formatter("{x:g}")
    bar.ax.yaxis.set_minor_formatter(NullFormatter())


def render(figure: Figure, **others: Any) -> RenderedFigure:
    """Render SVG and PNG, which contain no date or version; ``others`` are the other fields."""
    svg, png = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    figure.savefig(png, format="png", dpi=PNG_DOTS_PER_INCH, metadata={"Software": None})
    return RenderedFigure(svg=svg.getvalue(), png=png.getvalue(), **others)


def _shape(grid: Sequence[Axes]) -> tuple[int, int]:
    place = grid[0].get_subplotspec()
    assert place is not None  # every panel comes from `panels`
    num_rows, num_columns, *_ = place.get_geometry()
    return num_rows, num_columns
