"""Separated text as rows of cells: the separator is found, comment lines and titles are skipped."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SEPARATORS = (",", ";", "\t", "|")
COMMENT = "#"
DECLARED = re.compile(r'"?sep=(?P<separator>.)"?', re.IGNORECASE)  # as Excel writes it
LIMIT_BYTES = 2**20  # of one cell
NUMBER = re.compile(r"[+-]?[\d.,]+([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class TableRow:
    """One row of a file."""

    line: int  # from 1
    cells: list[str]  # without white space around them


@dataclass(frozen=True)
class _Division:
    """The file as one separator divides it."""

    separator: str
    rows: list[TableRow]

    @property
    def evenness(self) -> tuple[float, int]:
        """The share of rows that have the commonest width, and that width."""
        ((width, number),) = Counter(len(row.cells) for row in self.rows).most_common(1)
        return number / len(self.rows), width


def split(file: str, text: str) -> tuple[TableRow, list[TableRow], str]:
    """The row of names, the others, and the separator.

    Raises ValueError naming the line where rows differ in width, where a quote is not closed, and
    where there are no names.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    declared = DECLARED.fullmatch(lines[0].strip())
    if declared:
        lines[0] = ""
    comments = [
        TableRow(number, [line])
        for number, line in enumerate(lines, 1)
        if line.lstrip().startswith(COMMENT)
    ]
    for row in comments:
        lines[row.line - 1] = ""
    separators = [declared["separator"]] if declared else SEPARATORS
    chosen = _division(file, "\n".join(lines), separators)
    header, rows = _header(file, chosen, comments)
    if not rows:
        raise ValueError(
            f"{file} is not a table: below its names, in line {header.line}, is nothing"
        )
    return header, [_evened(file, row, header, chosen.separator) for row in rows], chosen.separator


def _division(file: str, body: str, separators: Sequence[str]) -> _Division:
    found, refused = [], []
    for separator in separators:
        try:
            rows = list(_rows(file, body, separator))
        except ValueError as error:
            refused.append(error)
            continue
        if not rows:
            raise ValueError(f"{file} is not a table: it holds nothing but comments")
        found.append(_Division(separator, rows))
    if several := [each for each in found if each.evenness[1] > 1]:
        return max(several, key=lambda each: each.evenness)
    if refused:
        raise refused[0]
    lines = enumerate(body.split("\n"), 1)
    white = _Division(" ", [TableRow(n, line.split()) for n, line in lines if line.strip()])
    share, width = white.evenness
    return white if width > 1 and share == 1 else found[0]


def _rows(file: str, body: str, separator: str) -> Iterator[TableRow]:
    csv.field_size_limit(LIMIT_BYTES)
    reader = csv.reader(
        io.StringIO(body), delimiter=separator, skipinitialspace=separator != "\t", strict=True
    )
    begun = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield TableRow(begun, [cell.strip() for cell in cells])
            begun = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{file}: line {begun}: a quote is not closed, or stands inside a cell ({error})"
        ) from error


def _header(
    file: str, chosen: _Division, comments: list[TableRow]
) -> tuple[TableRow, list[TableRow]]:
    """The first row of the usual width, or the comment above it, as numpy writes names."""
    _, width = chosen.evenness
    first = next(n for n, row in enumerate(chosen.rows) if len(row.cells) >= width)
    header = chosen.rows[first]
    if not _are_numbers(header.cells):
        return header, chosen.rows[first + 1 :]
    above = [row for row in comments if row.line < header.line]
    if above and not first:
        text = above[-1].cells[0].lstrip().lstrip(COMMENT)
        named = list(_rows(file, text, chosen.separator)) if chosen.separator != " " else []
        cells = named[0].cells if named else text.split()
        if len(cells) == width and not _are_numbers(cells):
            return TableRow(above[-1].line, cells), chosen.rows
    if first:
        title = chosen.rows[0]
        raise ValueError(
            f"{file}: line {title.line} has {_count(title.cells)}, the others have {width}: "
            "it must name every column"
        )
    raise ValueError(
        f"{file}: line {header.line} holds numbers: the first line must name the columns"
    )


def _are_numbers(cells: Sequence[str]) -> bool:
    return all(NUMBER.fullmatch(cell) for cell in cells)


def _evened(file: str, row: TableRow, header: TableRow, separator: str) -> TableRow:
    width, cells = len(header.cells), list(row.cells)
    while len(cells) > width and not cells[-1]:
        cells.pop()
    if len(cells) > width:
        quote = ": a cell that holds a comma needs quotes" if separator == "," else ""
        raise ValueError(
            f"{file}: line {row.line} has {_count(cells)}, the names in line {header.line} are "
            f"{width}{quote}"
        )
    return TableRow(row.line, cells + [""] * (width - len(cells)))


def _count(cells: Sequence[str]) -> str:
    return f"{len(cells)} cell{'' if len(cells) == 1 else 's'}"
