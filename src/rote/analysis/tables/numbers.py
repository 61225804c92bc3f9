"""Cells as numbers: which mark divides decimals, which thousands, and what cannot be read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rote.analysis.tables.cells import Cells

POINT = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+|(?=\.\d))(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+|(?=,\d))(,\d*)?([eE][+-]?\d+)?", re.ASCII)
GAP = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'\u2019_](?=\d{3}(\D|$))")  # between thousands
MULTIPLE = re.compile(r"(?P<number>.*\d\.?)\s*(?P<multiple>[kKmMbBgGtT])", re.ASCII)
MULTIPLES = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
MINUS = "\u2212"  # the sign that typesetters use


@dataclass(frozen=True)
class Style:
    """How a file writes numbers."""

    decimal: str  # "." or ","; the other one groups thousands

    def number(self, text: str) -> float | None:
        """None for what is no number in this style."""
        plain = GAP.sub("", text.strip().replace(MINUS, "-"))
        if not (POINT if self.decimal == "." else COMMA).fullmatch(plain):
            return None
        other = "," if self.decimal == "." else "."
        return float(plain.replace(other, "").replace(self.decimal, "."))


def style_of(cells: Cells, columns: Sequence[str]) -> Style:
    """The style in which these columns are written.

    Raises ValueError naming the cell where a comma may divide decimals as well as thousands.
    """
    point, comma = Style("."), Style(",")
    undecided = ""
    for name in columns:
        for place, cell in zip(cells.places, cells.column(name), strict=True):
            text = cell if isinstance(cell, str) else ""
            as_point, as_comma = point.number(text), comma.number(text)
            if as_comma is not None and as_point is None:
                return comma
            if as_point is not None and as_comma is None and ("," in text or "." in text):
                return point
            if "," in text and as_point is not None and not undecided:
                undecided = (
                    f"{cells.file}: {place}, column {name!r}: {text!r} may be "
                    f"{as_point:g} or {as_comma:g}: write it without the comma"
                )
    if undecided and cells.separator not in (",", ";"):
        raise ValueError(undecided)
    # Where commas part the cells, one inside of quotes groups thousands; semicolons part them
    # where the comma is taken for decimals.
    return comma if undecided and cells.separator == ";" else point


def numbers(cells: Cells, column: str, style: Style, *, is_count: bool) -> list[float]:
    """The column as numbers; a count may end in k, M, B or T.

    Raises ValueError naming file, line, column and text of the first cell that is no number.
    """
    values = []
    for place, cell in zip(cells.places, cells.column(column), strict=True):
        value = _number(cell, style, is_count=is_count)
        if value is None:
            raise ValueError(f"{cells.file}: {place}, column {column!r} {_fault(cell, style)}")
        values.append(value)
    return values


def _number(cell: Any, style: Style, *, is_count: bool) -> float | None:
    if isinstance(cell, str):
        found = MULTIPLE.fullmatch(cell.strip()) if is_count else None
        if found is None:
            return style.number(cell)
        value = style.number(found["number"])
        return None if value is None else value * MULTIPLES[found["multiple"].lower()]
    is_number = isinstance(cell, int | float) and not isinstance(cell, bool)
    return float(cell) if is_number else None


def _fault(cell: Any, style: Style) -> str:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return "is empty"
    other = Style("," if style.decimal == "." else ".")
    if isinstance(cell, str) and other.number(cell) is not None:
        return f"holds {cell!r}, whose decimals are not parted by {style.decimal!r} as elsewhere"
    return f"holds {cell!r:.60}, which is no number"
