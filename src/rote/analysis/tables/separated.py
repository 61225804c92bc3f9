"""Split separated text into rows of cells, and warn of columns in a wrong unit.

The separator is detected; comment lines and titles are skipped. Warnings are for columns that look
like counts in millions or billions, or like another unit.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rote.analysis.laws.law import Floats

SEPARATORS = (",", ";", "\t", "|")
COMMENT = "#"
DECLARED = re.compile(r'"?sep=(?P<separator>.)"?', re.IGNORECASE)  # as Excel writes it
LIMIT_BYTES = 2**20  # largest size of one cell
NUMBER = re.compile(r"[+-]?[\d.,]+([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class TableRow:
    """One row of a file."""

    line: int  # line number from 1
    cells: list[str]  # without white space around them


def _evenness(rows: list[TableRow]) -> tuple[float, int]:
    """Return the share of rows that have the commonest width, and that width."""
    ((width, number),) = Counter(len(row.cells) for row in rows).most_common(1)
    return number / len(rows), width


def split(file: str, text: str) -> tuple[TableRow, list[TableRow], str]:
    """Return the row of names, the other rows, and the separator.

    Raises ValueError naming the line if rows differ in width or a quote is not closed, and if there
    are no names.
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
    separator, divided = _division(file, "\n".join(lines), separators)
    header, rows = _header(file, separator, divided, comments)
    if not rows:
        raise ValueError(
            f"{file} is not a table: below its names, in line {header.line}, is nothing"
        )
    return header, [_evened(file, row, header, separator) for row in rows], separator


def _division(file: str, body: str, separators: Sequence[str]) -> tuple[str, list[TableRow]]:
    """Return the separator that divides the file most evenly, and the rows."""
    found, refused = {}, []
    for separator in separators:
        try:
            rows = list(_rows(file, body, separator))
        except ValueError as error:
            refused.append(error)
            continue
        if not rows:
            raise ValueError(f"{file} is not a table: it holds nothing but comments")
        found[separator] = rows
    if several := {each: rows for each, rows in found.items() if _evenness(rows)[1] > 1}:
        return max(several.items(), key=lambda each: _evenness(each[1]))
    if refused:
        raise refused[0]
    lines = enumerate(body.split("\n"), 1)
    white = [TableRow(number, line.split()) for number, line in lines if line.strip()]
    share, width = _evenness(white)
    return (" ", white) if width > 1 and share == 1 else next(iter(found.items()))


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
    file: str, separator: str, rows: list[TableRow], comments: list[TableRow]
) -> tuple[TableRow, list[TableRow]]:
    """Return the first row of the usual width, or the comment above it, as numpy writes names."""
    _, width = _evenness(rows)
    first = next(n for n, row in enumerate(rows) if len(row.cells) >= width)
    header = rows[first]
    if not _are_numbers(header.cells):
        return header, rows[first + 1 :]
    above = [row for row in comments if row.line < header.line]
    if above and not first:
        text = above[-1].cells[0].lstrip().lstrip(COMMENT)
        named = list(_rows(file, text, separator)) if separator != " " else []
        cells = named[0].cells if named else text.split()
        if len(cells) == width and not _are_numbers(cells):
            return TableRow(above[-1].line, cells), rows
    if first:
        raise ValueError(
            f"{file}: line {rows[0].line} has {_count(rows[0].cells)}, the others have {width}: "
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


COUNTS = ("parameters", "tokens", "unique_tokens", "steps", "batch_tokens", "flops", "samples")
UNIT = re.compile(  # in a column's name: "(M)", "[1e9]", "in billions", "params_m"
    r"[(\[]\s*(?:in\s+|x\s*|\*\s*)?(?:k|m|mm|mn|b|bn|g|t|thousands?|millions?|billions?|trillions?"
    r"|1e\d+|10\s*(?:\^|\*\*)\s*\d+)\s*[)\]]"
    r"|\b(?:thousands|millions?|billions?|trillions?)\b|\bin\s+[kmbgt]\b"
    r"|[ _](?:k|m|mm|mn|b|bn|thousands?|millions?|billions?)$",
    re.IGNORECASE,
)
POWER = re.compile(r"(?:1e|10\s*(?:\^|\*\*)\s*)(?P<exponent>\d+)", re.IGNORECASE)
FACTORS = (
    ("thousand", "1e3"), ("k", "1e3"), ("m", "1e6"), ("b", "1e9"), ("g", "1e9"), ("t", "1e12"),
)  # fmt: skip
GREATEST_IN_UNITS = 1e7  # larger numbers are counts, whatever the name says
LEAST = {"parameters": 100, "tokens": 1000, "unique_tokens": 100, "flops": 1e6}
TOKENS_PER_PARAMETER = (1e-3, 1e6)  # beyond these one of the two is in another unit
FLOPS_OFF = 100.0  # largest factor from 6 N D, up or down
GREATEST_LOSS = 20.0  # nats: e^20 words, more than any vocabulary has


@dataclass(frozen=True)
class ChosenColumns:
    """A column of a table, and the factor on its numbers."""

    column: str
    factor: float = 1.0


def doubts(columns: Mapping[str, Floats], chosen: Mapping[str, ChosenColumns]) -> list[str]:
    """Return warnings; ``columns`` hold the fitted numbers, ``chosen`` their origin."""
    found = dict(_of_units(columns, chosen))
    return [*found.values(), *_of_values(columns, found)]


def _of_units(
    columns: Mapping[str, Floats], chosen: Mapping[str, ChosenColumns]
) -> Iterator[tuple[str, str]]:
    for name, values in columns.items():
        if name not in COUNTS:
            continue
        column, factor = chosen[name].column, chosen[name].factor
        span = f"fitted as {values.min():.4g} to {values.max():.4g} {name.replace('_', ' ')}"
        unit = UNIT.search(column)
        if factor == 1 and unit and values.max() < GREATEST_IN_UNITS:
            cure = f"map {name}={column}*{_factor(unit[0])}"
            yield name, f"column {column!r} names a unit, yet its numbers are {span}: {cure}"
        elif values.min() < LEAST.get(name, 0):
            cure = f"map {name}={column}*1e6 if they are millions, *1e9 if they are billions"
            yield name, f"column {column!r} is {span}, which is implausibly few: {cure}"


def _factor(unit: str) -> str:
    if power := POWER.search(unit):
        return f"1e{power['exponent']}"
    word = re.sub(r"\bin\b|[^a-z]", "", unit.lower())
    return next(factor for beginning, factor in FACTORS if word.startswith(beginning))


def _of_values(columns: Mapping[str, Floats], found: Mapping[str, str]) -> Iterator[str]:
    """Check loss, and ratios of columns whose units ``found`` does not doubt."""
    if "loss_nats" in columns and columns["loss_nats"].max() > GREATEST_LOSS:
        yield (
            f"loss_nats is up to {columns['loss_nats'].max():.4g}, more than any vocabulary can "
            "give: is it a perplexity?"
        )
    if not {"parameters", "tokens"} <= set(columns) - set(found):
        return
    parameters, tokens = columns["parameters"], columns["tokens"]
    ratio = float(np.median(tokens / parameters))
    low, high = TOKENS_PER_PARAMETER
    if not low <= ratio <= high:
        yield f"there are {ratio:.3g} tokens for each parameter: one of the two is in another unit"
    elif "flops" in set(columns) - set(found):
        off = float(np.median(columns["flops"] / (6 * parameters * tokens)))
        if not 1 / FLOPS_OFF <= off <= FLOPS_OFF:
            yield f"flops are {off:.3g} times 6 x parameters x tokens: one is in another unit"
