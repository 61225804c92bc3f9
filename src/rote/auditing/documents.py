"""Documents in files: a line of text, a JSON line, a row of parquet; each known by its number."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from rote.tasks.text.pieces import utf8

TOKENS = "tokens"  # the field that holds token ids, where the text's field is absent
KINDS = (".txt", ".jsonl", ".parquet")

Content = str | tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One document; ``number`` counts lines or rows from 1, empty ones too."""

    number: int
    content: Content  # text, or token ids

    @property
    def is_empty(self) -> bool:
        """No text but white space, or no token."""
        return not (self.content.strip() if isinstance(self.content, str) else self.content)


def read_rows(path: Path, field: str) -> list[Row]:
    """Every line or row; raises ValueError naming file and line for what is no document."""
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
    readers = {".txt": _text_lines, ".jsonl": _json_lines, ".parquet": _parquet_rows}
    if path.suffix not in readers:
        raise ValueError(f"{path} is none of {', '.join(KINDS)}: its documents cannot be told")
    rows = list(readers[path.suffix](path, field))
    kinds = {type(row.content) for row in rows if not row.is_empty}
    if len(kinds) > 1:
        raise ValueError(f"{path} mixes text and token ids: give one of them")
    return rows


def _text_lines(path: Path, _: str) -> Iterator[Row]:
    for number, line in _lines(path):
        yield Row(number=number, content=line.rstrip("\r\n"))


def _json_lines(path: Path, field: str) -> Iterator[Row]:
    for number, line in _lines(path):
        if not line.strip():
            yield Row(number=number, content="")
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{where} is not JSON: {error}") from error
        yield Row(number=number, content=_content(row, field, where))


def _parquet_rows(path: Path, field: str) -> Iterator[Row]:
    try:
        held = pl.scan_parquet(path).collect_schema().names()
        chosen = [name for name in (field, TOKENS) if name in held][:1]
        frame = pl.read_parquet(path, columns=chosen or held[:1])
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} is not a parquet file: {reason}") from error
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        yield Row(number=number, content=_content(row, field, f"{path}, row {number}"))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    position = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                yield number, utf8(line, path, position)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            position += len(line)


def _content(row: Any, field: str, where: str) -> Content:
    if not isinstance(row, dict):
        raise ValueError(f"{where} is {type(row).__name__}, not an object with {field!r}")
    name = field if field in row else TOKENS
    if name not in row:
        raise ValueError(f"{where} has no {field!r}, it holds {sorted(row)}: give --field")
    value = row[name]
    if isinstance(value, str):
        return _unicode(value, name, where)
    whole = isinstance(value, list) and all(type(token) is int and token >= 0 for token in value)
    if not whole:
        raise ValueError(f"{where}: {name!r} is neither text nor a list of token ids")
    return tuple(value)


def _unicode(text: str, field: str, where: str) -> str:
    """JSON can write halves of surrogate pairs, which no encoding holds."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}: {field!r} is not Unicode text ({error.reason})") from error
    return text
