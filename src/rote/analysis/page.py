"""Define the content of a page, and render it as one self-contained HTML file.

Reports, audits, fits and plans share one skeleton: cards, sections, figures, tables and numbers.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cache
from html import escape
from importlib import resources
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from rote.analysis.estimate import typeset
from rote.analysis.figures import RenderedFigure
from rote.analysis.plot import Plot
from rote.analysis.table import Cell, Table


@dataclass(frozen=True)
class Text:
    """A paragraph, with ``items`` a list below it; ``is_html`` if the words hold markup."""

    words: str = ""
    _: KW_ONLY
    items: Sequence[str] = ()
    is_html: bool = False
    is_warning: bool = False


@dataclass(frozen=True)
class Heading:
    """A smaller heading within a section."""

    title: str


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Lines for a shell."""

    lines: Sequence[str]


Block = Text | Heading | Commands | Table | Plot | RenderedFigure


@dataclass(frozen=True, kw_only=True)
class Card:
    """One main number, what it means, and short lines below it."""

    title: str
    meaning: str
    value: str
    unit: str = ""
    lines: Sequence[Text] = ()
    is_warning: bool = False


@dataclass(frozen=True)
class Section:
    """A heading and the blocks below it."""

    title: str
    blocks: Sequence[Block] = ()


@dataclass(frozen=True, kw_only=True)
class Content:
    """The substance of a report, from which the page, the files and the manifest are made."""

    headlines: tuple[str, ...]  # lines for the terminal
    setting: str  # the conditions of all numbers, in plain words
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]
    numbers: Mapping[str, Any]  # for the manifest; each names the runs behind it
    table: pl.DataFrame  # the runs with their derived columns
    arrays_of: tuple[str, ...] = ()  # runs whose per-sequence arrays were read
    looks_of: tuple[str, ...] = ()  # runs whose looks were read
    lead: Block | None = None  # the main figure, right below the cards


def tables_of(content: Content) -> Iterator[tuple[str, Table]]:
    """Yield each table with the title of its section; the lead first."""
    if isinstance(content.lead, Table):
        yield content.headlines[0] if content.headlines else "Main table", content.lead
    for section in content.sections:
        for block in section.blocks:
            if isinstance(block, Table):
                yield section.title, block


def figures_of(content: Content) -> list[RenderedFigure]:
    """Return the figures, the lead first; all plots must be drawn."""
    blocks = [content.lead, *(block for each in content.sections for block in each.blocks)]
    return [block for block in blocks if isinstance(block, RenderedFigure)]


LETTERS_OF_A_CAPTION = 290  # about three lines; the rest is folded
# Figure colours that adapt to the page in dark mode and on paper.
THEME = {"#000000": "currentColor", "#ffffff": "var(--card)", "#e3e3e3": "var(--line)"}


def drawn(content: Content) -> Content:
    """Return the same content with every plot drawn."""
    sections = [
        replace(section, blocks=[_figure_of(block) for block in section.blocks])
        for section in content.sections
    ]
    lead = content.lead and _figure_of(content.lead)
    return replace(content, sections=tuple(sections), lead=lead)


def page(*, name: str, question: str, content: Content, closing: Section) -> str:
    """Return HTML with inline style sheet and figures; it loads nothing. Plots must be drawn."""
    return _template().render(
        style=resources.files("rote.analysis").joinpath("page.css").read_text(encoding="utf-8"),
        name=name,
        question=question,
        setting=content.setting,
        cards=content.cards,
        lead=content.lead,
        sections=[*content.sections, closing],
    )


def _figure_of(block: Block) -> Block:
    return block.draw() if isinstance(block, Plot) else block


@cache
def _template() -> Any:
    made = Environment(
        loader=PackageLoader("rote.analysis"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {
        "typeset": typeset, "markup": lambda words: Markup(typeset(words)),  # of our own HTML
        "kind": lambda block: type(block).__name__, "kind_of_cell": _kind_of_cell,
        "inline": _inline,
        "anchor": lambda title: re.sub(r"\W+", "-", title.lower()).strip("-"),
        "first_lines": lambda caption: _folded(caption)[0],
        "further_lines": lambda caption: _folded(caption)[1],
    }  # fmt: skip
    return made.get_template("page.html")


def _kind_of_cell(cell: Cell) -> Markup:
    kinds = [name for name, has in (("text", cell.is_text), ("bound", cell.is_warning)) if has]
    return Markup(f' class="{" ".join(kinds)}"') if kinds else Markup("")


def _folded(caption: str) -> tuple[str, str]:
    """Split a caption after a sentence; short captions and single sentences stay whole."""
    if len(caption) <= LETTERS_OF_A_CAPTION:
        return caption, ""
    ends = [found.end() for found in re.finditer(r"\.\s+(?=[A-Z<])", caption)]
    fitting = [end for end in ends if end <= LETTERS_OF_A_CAPTION] or ends[:1]
    return (caption[: fitting[-1]], caption[fitting[-1] :]) if fitting else (caption, "")


def _inline(drawing: RenderedFigure) -> Markup:
    """Return the SVG without prologue, with ids unique on the page and the page's colours."""
    svg = drawing.svg.decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{drawing.name}-", svg)
    for colour, own in THEME.items():
        svg = svg.replace(colour, own)
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(drawing.alt)}" ', 1))
