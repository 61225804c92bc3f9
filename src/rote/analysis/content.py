"""What a page has to say, before it is laid out: cards, sections, figures, tables, numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import polars as pl

from rote.analysis.figures import RenderedFigure
from rote.analysis.plot import Plot
from rote.analysis.table import Table


@dataclass(frozen=True)
class Text:
    """A paragraph, or with ``items`` a list below it; ``is_html`` of words that hold markup."""

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


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawing with a caption of HTML, its marks as CSV."""

    drawing: RenderedFigure
    caption: str
    data: bytes = b""


Block = Text | Heading | Commands | Table | Plot | Figure


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
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block] = ()


@dataclass(frozen=True, kw_only=True)
class Content:
    """A report's substance; the page, the files and the manifest are made of it."""

    headlines: tuple[str, ...]  # lines for the terminal
    setting: str  # the conditions that every number holds under, in plain words
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]
    numbers: Mapping[str, Any]  # for the manifest; each names the runs behind it
    table: pl.DataFrame  # the runs with their derived columns
    arrays_of: tuple[str, ...] = ()  # runs whose per-sequence arrays were read
    lead: Block | None = None  # the main figure, right below the cards


def tables_of(content: Content) -> Iterator[tuple[str, Table]]:
    """Each with the title of its section; the lead first."""
    if isinstance(content.lead, Table):
        yield content.headlines[0] if content.headlines else "Main table", content.lead
    for section in content.sections:
        for block in section.blocks:
            if isinstance(block, Table):
                yield section.title, block


def figures_of(content: Content) -> list[Figure]:
    """The lead first; all plots must be drawn."""
    blocks = [content.lead, *(block for each in content.sections for block in each.blocks)]
    return [block for block in blocks if isinstance(block, Figure)]
