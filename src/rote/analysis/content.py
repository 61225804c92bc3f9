"""What one kind of report has to say, before it is laid out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from rote.analysis.drawing import Drawing


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and the HTML below it."""

    title: str
    html: str


@dataclass(frozen=True, kw_only=True)
class Content:
    """A report's substance; the page, the files and the manifest are made of it."""

    headlines: tuple[str, ...]  # lines for the terminal
    setting: str  # the conditions that every number holds under, in plain words
    cards: tuple[str, ...]  # HTML: one main number each
    sections: tuple[Section, ...]
    drawings: tuple[Drawing, ...]
    numbers: Mapping[str, Any]  # for the manifest; each names the runs behind it
    table: pl.DataFrame  # the runs with their derived columns
    arrays_of: tuple[str, ...] = ()  # runs whose per-sequence arrays were read
