"""Read numbered documents from a file of any format, for training and for audits; no torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rote.tasks.text.reading.encoding import lines_of_utf8
from rote.tasks.text.reading.formats import JSON, JSON_LINES, PARQUET, TABLE, TEXT, FileFormat
from rote.tasks.text.reading.json_values import json_value, json_values
from rote.tasks.text.reading.tables import parquet_rows, table_rows

META = "meta"  # the field with what a data set says of a document besides
TOKENS = "tokens"  # the field of token ids, used if the text's field is absent
BLANK = object()  # a line without a row

Content = str | tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class RowSelection:
    """Which field of a row holds the document, and how a user can choose another."""

    field: str
    way_out: str  # how to choose a field: set task.source.field, give --field
    takes_tokens: bool  # accept a list of token ids in the field, or in `TOKENS`
    most_bytes: int  # per document
    count: str | None = None  # also read how often a document was inserted, from this field

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the fields that may hold a document, the preferred one first."""
        return (self.field, TOKENS) if self.takes_tokens else (self.field,)


@dataclass(frozen=True, kw_only=True)
class DocumentRow:
    """A document of a file; ``number`` counts its lines, rows or entries from 1."""

    number: int
    content: Content  # empty if there is none
    is_null: bool = False
    is_blank: bool = False  # a line without a row
    count: int | None = None  # how often it was inserted into training data; None: not read

    @property
    def is_empty(self) -> bool:
        """Return whether it holds only white space, or no token."""
        return not (self.content.strip() if isinstance(self.content, str) else self.content)


def rows_of(path: Path, kind: FileFormat, wanted: RowSelection) -> Iterator[DocumentRow]:
    """Yield every row of ``path``, or every line of plain text.

    Raises ValueError with file and row for a row without a document.
    """
    if kind.format == TEXT:
        for number, line in lines_of_utf8(path, wanted.most_bytes):
            yield DocumentRow(number=number, content=line.rstrip("\r\n"))
        return
    for number, unit, row in _numbered(path, kind, wanted):
        if row is BLANK:
            yield DocumentRow(number=number, content="", is_blank=True)
            continue
        where = f"{path}, {unit} {number}"
        content = content_of(row, wanted, where)
        count = None if wanted.count is None else count_of(row, wanted.count, where)
        yield DocumentRow(
            number=number, content=content or "", is_null=content is None, count=count
        )


def content_of(row: Any, wanted: RowSelection, where: str) -> Content | None:
    """Return the document in a row, None for null; raises ValueError if it has none."""
    if row is None or isinstance(row, str):
        return None if row is None else _unicode(row, "it", where)
    if not isinstance(row, dict):
        raise ValueError(
            f"{where} is {type(row).__name__}, not an object with {wanted.field!r}: "
            f"{wanted.way_out}"
        )
    name = next((field for field in wanted.fields if field in row), None)
    if name is None:
        raise ValueError(
            f"{where} has no {wanted.field!r}, it holds {sorted(row)}: {wanted.way_out}"
        )
    value = row[name]
    if value is None or value != value:  # NaN: a table's empty value may be written so
        return None
    if isinstance(value, str):
        return _unicode(value, repr(name), where)
    if not wanted.takes_tokens:
        raise ValueError(f"{where}: {name!r} is no text but {type(value).__name__}")
    if not isinstance(value, list) or not all(type(one) is int and one >= 0 for one in value):
        raise ValueError(f"{where}: {name!r} is neither text nor a list of token ids")
    return tuple(value)


def count_of(row: Any, field: str, where: str) -> int:
    """Return the count in a row, or in its ``meta``, which may be an object written as text.

    Raises ValueError for a row without a whole count of 0 or more.
    """
    held = row if isinstance(row, dict) else {}
    meta = held.get(META)
    if field not in held and isinstance(meta, str):
        meta = json_value(meta, f"{where}: {META!r}")
    if field not in held and isinstance(meta, dict):
        held = meta
    count = held.get(field)
    if type(count) is not int or count < 0:
        raise ValueError(f"{where}: {field!r} must be a whole number of 0 or more, got {count!r}")
    return count


def _numbered(path: Path, kind: FileFormat, wanted: RowSelection) -> Iterator[tuple[int, str, Any]]:
    """Yield number, unit, and the row, or `BLANK`."""
    if kind.format == JSON_LINES:
        for number, line in lines_of_utf8(path, wanted.most_bytes):
            where = f"{path}, line {number}"
            yield number, "line", json_value(line, where) if line.strip() else BLANK
    elif kind.format == JSON:
        for number, row in enumerate(json_values(path, wanted.most_bytes), start=1):
            yield number, "entry", row
    elif kind.format == TABLE:
        for number, row in table_rows(path, wanted.fields, wanted.way_out, wanted.most_bytes):
            yield number, "line", BLANK if row is None else row
    else:
        assert kind.format == PARQUET
        beside = () if wanted.count is None else (wanted.count, META)
        for number, row in enumerate(parquet_rows(path, wanted.fields, beside=beside), start=1):
            yield number, "row", row


def _unicode(text: str, name: str, where: str) -> str:
    """Refuse halves of surrogate pairs: JSON can hold them, but no encoding can."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}: {name} is not Unicode text ({error.reason})") from error
    return text
