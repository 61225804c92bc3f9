"""Stream the rows of parquet files and of tables with separators; no torch."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from rote.tasks.text.reading.decompression import require_growth
from rote.tasks.text.reading.encoding import lines_of_utf8

ROWS_AT_ONCE = 1000
SEPARATORS = (",", "\t", ";", "|")
# Rows that take no space repeat one value: a row per bit is more than text needs.
MOST_ROWS_PER_BYTE, FREE_ROWS = 8, 1_000_000

Row = dict[str, Any]


def table_rows(
    path: Path, fields: Sequence[str], way_out: str, most_bytes: int
) -> Iterator[tuple[int, Row | None]]:
    """Yield the rows below a header with the number of their last line; None for an empty line.

    The separator is the one with which the header holds one of ``fields``. Raises ValueError for a
    header without any of them, a row with more or fewer cells, and unclosed quotes.
    """
    csv.field_size_limit(most_bytes)
    lines = (line for _, line in lines_of_utf8(path, most_bytes))
    first = next(lines, "")
    separator = _separator(first, fields)
    header, number_of_first = _header(first, lines, separator, path)
    if not set(fields).intersection(header):
        raise ValueError(f"{path}, line 1 has no {fields[0]!r}, it holds {header}: {way_out}")
    rows = csv.reader(lines, delimiter=separator, strict=True)
    number = number_of_first
    try:
        for row in rows:
            number = number_of_first + rows.line_num
            if row and len(row) != len(header):
                raise ValueError(
                    f"{path}, line {number} has {len(row)} cells, the header {len(header)}: "
                    "put text that holds the separator in quotes"
                )
            yield number, dict(zip(header, row, strict=True)) if row else None
    except csv.Error as error:
        raise ValueError(f"{path}, line {number + 1}: {error}") from error


def _header(first: str, lines: Iterator[str], separator: str, path: Path) -> tuple[list[str], int]:
    def from_first() -> Iterator[str]:
        yield first
        yield from lines

    reader = csv.reader(from_first(), delimiter=separator, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise ValueError(f"{path}, line 1: {error}") from error
    if len(set(header)) != len(header):
        raise ValueError(f"{path}: its header names a column twice: {header}")
    return header, reader.line_num


def _separator(first: str, fields: Sequence[str]) -> str:
    for separator in SEPARATORS:
        names = [name.strip().strip('"') for name in first.rstrip("\r\n").split(separator)]
        if any(field in names for field in fields):
            return separator
    return max(SEPARATORS, key=first.count)


def parquet_rows(path: Path, fields: Sequence[str], *, beside: Sequence[str] = ()) -> Iterator[Row]:
    """Yield rows with the first of ``fields`` in the file; with all columns if none is there.

    Columns of ``beside`` are added where they exist.

    Raises ValueError for a file that is not parquet, and for rows that take no space in it.
    """
    try:
        frame = pl.scan_parquet(path)
        held = sorted(frame.collect_schema().names())
        num_rows = int(frame.select(pl.len()).collect().item())
        stored = path.stat().st_size
        if num_rows > FREE_ROWS + MOST_ROWS_PER_BYTE * stored:
            raise ValueError(
                f"{path} claims {num_rows:,} rows in {stored:,} bytes, as no text does"
            )
        chosen = [name for name in fields if name in held][:1]
        chosen += [name for name in beside if name in held and chosen]
        batches = frame.select(chosen or held).collect_batches(
            chunk_size=ROWS_AT_ONCE, maintain_order=True
        )
        num_bytes = 0
        for batch in batches:
            text = [column for column in batch if column.dtype == pl.String]
            num_bytes += sum(int(column.str.len_bytes().sum() or 0) for column in text)
            require_growth(path, num_bytes)
            yield from batch.iter_rows(named=True)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} is not a parquet file: {reason}") from error
