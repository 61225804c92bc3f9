"""Documents of a file in any format, numbered: one reader for training and for audits; no torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rote.tasks.text.reading.encoding import lines_of_utf8
from rote.tasks.text.reading.formats import JSON, JSON_LINES, PARQUET, TABLE, TEXT, FileFormat
from rote.tasks.text.reading.json_values import json_value, json_values
from rote.tasks.text.reading.tables import parquet_rows, table_rows

TOKENS = "tokens"  # the field that holds token ids, where the text's field is absent
BLANK = object()  # a line without any row

Content = str | tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class RowSelection:
    """What is looked for in a row, and in which words a user is asked for another field."""

    field: str
    way_out: str  # to another field: set task.source.field, give --field
    takes_tokens: bool  # a list of token ids in the field, or in `TOKENS`
    most_bytes: int  # of a document

    @property
    def fields(self) -> tuple[str, ...]:
        """Those that may hold a document, the first one rather."""
        return (self.field, TOKENS) if self.takes_tokens else (self.field,)


@dataclass(frozen=True, kw_only=True)
class DocumentRow:
    """A document of a file; ``number`` counts its lines, rows or entries from 1."""

    number: int
    content: Content  # empty where there is none
    is_null: bool = False
    is_blank: bool = False  # a line without any row

    @property
    def is_empty(self) -> bool:
        """No text but white space, or no token."""
        return not (self.content.strip() if isinstance(self.content, str) else self.content)


def rows_of(path: Path, kind: FileFormat, wanted: RowSelection) -> Iterator[DocumentRow]:
    """Every row of ``path``, and every line of plain text.

    Raises ValueError naming the file and the row that holds no document.
    """
    if kind.format == TEXT:
        for number, line in lines_of_utf8(path, wanted.most_bytes):
            yield DocumentRow(number=number, content=line.rstrip("\r\n"))
        return
    for number, unit, row in _numbered(path, kind, wanted):
        if row is BLANK:
            yield DocumentRow(number=number, content="", is_blank=True)
            continue
        content = content_of(row, wanted, f"{path}, {unit} {number}")
        yield DocumentRow(number=number, content=content or "", is_null=content is None)


def content_of(row: Any, wanted: RowSelection, where: str) -> Content | None:
    """The document in a row, None for null; raises ValueError where there is no document in it."""
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
    if value is None or value != value:  # NaN: what a table without a value is written as
        return None
    if isinstance(value, str):
        return _unicode(value, repr(name), where)
    if not wanted.takes_tokens:
        raise ValueError(f"{where}: {name!r} is no text but {type(value).__name__}")
    if not isinstance(value, list) or not all(type(one) is int and one >= 0 for one in value):
        raise ValueError(f"{where}: {name!r} is neither text nor a list of token ids")
    return tuple(value)


def _numbered(path: Path, kind: FileFormat, wanted: RowSelection) -> Iterator[tuple[int, str, Any]]:
    """Number, what is numbered, and the row, or `BLANK`."""
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
        for number, row in enumerate(parquet_rows(path, wanted.fields), start=1):
            yield number, "row", row


def _unicode(text: str, name: str, where: str) -> str:
    """JSON can write halves of surrogate pairs, which no encoding holds."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}: {name} is not Unicode text ({error.reason})") from error
    return text
