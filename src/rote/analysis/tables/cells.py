"""Read a file as a table of cells, and turn the cells into numbers.

The content, not the suffix, decides between separated text, JSON and parquet. Numbers need the
marks of decimals and thousands; errors name what cannot be read.
"""

import codecs
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from rote.analysis.tables.separated import split

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".dat", ".json", ".jsonl", ".ndjson", ".parquet",
            ".xlsx", ".xls", ".ods")  # fmt: skip
NOT_TABLES = {  # first bytes of files that need another program first
    b"PK\x03\x04": "is a spreadsheet or a zip archive: save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook: save the sheet as CSV",
    b"\x1f\x8b": "is compressed by gzip: unpack it first",
    b"BZh": "is compressed by bzip2: unpack it first",
    b"\xfd7zXZ": "is compressed by xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd: unpack it first",
    b"%PDF": "is a PDF: save the table as CSV",
    b"<": "is HTML or XML: save the table as CSV",
    b"version https://git-lfs": "is a pointer of Git LFS: git lfs pull fetches the table",
}
MARKS = (  # byte-order marks; those of four bytes begin with those of two
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
WHITE = "\t\n\r\f\v"


@dataclass(frozen=True, kw_only=True)
class Cells:
    """A table before its cells are numbers: texts, or the values of JSON and parquet."""

    file: str  # the file's name
    names: tuple[str, ...]  # column names, without white space around them
    rows: tuple[tuple[Any, ...], ...]
    places: tuple[str, ...]  # place of each row in the file: "line 3"
    separator: str | None = None  # None: the file has none

    def column(self, name: str) -> list[Any]:
        """Return a column; raises ValueError if two columns have this name."""
        if self.names.count(name) > 1:
            raise ValueError(f"{self.file}: {self.names.count(name)} columns are called {name!r}")
        place = self.names.index(name)
        return [row[place] for row in self.rows]


def read_cells(path: Path) -> Cells:
    """Read a file; raises ValueError naming the file and, if one is at fault, the line."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} is not a table: {error.strerror}") from error
    if content.startswith(b"PAR1"):
        try:
            table = pl.read_parquet(BytesIO(content))
        except pl.exceptions.PolarsError as error:
            raise ValueError(f"{path} is a damaged parquet file: {error}") from error
        return _of_objects(path, dict(enumerate(table.to_dicts(), 1)), "row")
    for begin, reason in NOT_TABLES.items():
        if content.startswith(begin):
            raise ValueError(f"{path} {reason}")
    text = _decoded(path, content)
    if not text.strip():
        raise ValueError(f"{path} is not a table: it is empty")
    if text.lstrip()[0] in "{[":
        try:
            return _of_json(path, text)
        except RecursionError as error:
            raise ValueError(f"{path} is not a table: its JSON is nested too deeply") from error
    header, rows, separator = split(path.name, text)
    return Cells(
        file=path.name,
        names=tuple(header.cells),
        rows=tuple(tuple(row.cells) for row in rows),
        places=tuple(f"line {row.line}" for row in rows),
        separator=separator,
    )


def _decoded(path: Path, content: bytes) -> str:
    """Decode by the mark; without one as UTF-8, UTF-16 or, failing both, as Windows' Latin."""
    encodings = ["utf-8", "cp1252", "latin-1"]
    marked = [(mark, encoding) for mark, encoding in MARKS if content.startswith(mark)]
    if marked:
        content, encodings = content[len(marked[0][0]) :], [marked[0][1]]
    elif content.count(0) > len(content) // 4:
        odd = content[1::2].count(0) > content[::2].count(0)
        encodings = ["utf-16-le" if odd else "utf-16-be"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if any(ord(sign) < 32 and sign not in WHITE for sign in set(text)):
            break
        return text
    raise ValueError(f"{path} is not a table: it holds bytes that are no text")


def _of_json(path: Path, text: str) -> Cells:
    """Read a list of objects, an object of lists, or one object per line."""
    try:
        whole = json.loads(text)
    except ValueError:
        return _of_objects(path, _json_lines(path, text), "line")
    if isinstance(whole, dict) and whole and all(isinstance(v, list) for v in whole.values()):
        if len({len(values) for values in whole.values()}) > 1:
            raise ValueError(f"{path} is not a table: its lists differ in length")
        whole = [dict(zip(whole, row, strict=True)) for row in zip(*whole.values(), strict=True)]
    objects = enumerate(whole if isinstance(whole, list) else [whole], 1)
    return _of_objects(path, dict(objects), "row")


def _json_lines(path: Path, text: str) -> dict[int, Any]:
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found[number] = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}: line {number} is not JSON: {error}") from error
    return found


def _of_objects(path: Path, objects: dict[int, Any], place: str) -> Cells:
    if not objects:
        raise ValueError(f"{path} is not a table: it has no rows")
    for number, each in objects.items():
        if not isinstance(each, dict):
            raise ValueError(f"{path}: {place} {number} is not an object of columns: {each!r:.60}")
    names = list(dict.fromkeys(key for each in objects.values() for key in each))
    return Cells(
        file=path.name,
        names=tuple(name.strip() for name in names),
        rows=tuple(tuple(each.get(name) for name in names) for each in objects.values()),
        places=tuple(f"{place} {number}" for number in objects),
    )


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
        """Return the number, or None if the text is no number in this style."""
        plain = GAP.sub("", text.strip().replace(MINUS, "-"))
        if not (POINT if self.decimal == "." else COMMA).fullmatch(plain):
            return None
        other = "," if self.decimal == "." else "."
        return float(plain.replace(other, "").replace(self.decimal, "."))


def style_of(cells: Cells, columns: Sequence[str]) -> Style:
    """Return the style in which these columns are written.

    Raises ValueError naming the cell if a comma may separate decimals as well as thousands.
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
    # If commas separate the cells, a comma inside quotes groups thousands. Semicolons separate
    # cells in files that use the comma for decimals.
    return comma if undecided and cells.separator == ";" else point


def numbers(cells: Cells, column: str, style: Style, *, is_count: bool) -> list[float]:
    """Return the column as numbers; a count may end in k, M, B or T.

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
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return None
    try:
        return float(cell)
    except OverflowError:  # JSON bounds no whole number
        return None


def _fault(cell: Any, style: Style) -> str:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return "is empty"
    other = Style("," if style.decimal == "." else ".")
    if isinstance(cell, str) and other.number(cell) is not None:
        return f"holds {cell!r}, whose decimals are not parted by {style.decimal!r} as elsewhere"
    return f"holds {cell!r:.60}, which is no number"
