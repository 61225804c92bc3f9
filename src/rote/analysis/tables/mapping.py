"""`--columns NAME=COLUMN[*FACTOR],...`: which column of a table is which quantity."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from rote.config.choices import unknown

NAME = re.compile(r"\s*(?P<name>\w+)\s*=\s*")
QUOTED = re.compile(r"""(?P<quote>["'])(?P<column>.*?)(?P=quote)(?=\s*([*,]|$))""")
END = re.compile(r"\s*(\*\s*(?P<factor>[^,*]*))?\s*(,|$)")
FORM = "--columns takes NAME=COLUMN or NAME=COLUMN*FACTOR, a COLUMN in quotes where need be"


@dataclass(frozen=True)
class Chosen:
    """A column of the table."""

    column: str
    factor: float = 1.0


def parse_columns(mapping: str, columns: Sequence[str], file: str) -> dict[str, Chosen]:
    """By the quantity's name; ``columns`` are those of the table.

    A column's own name may hold commas, equals signs and stars: the longest that fits is taken.
    Raises ValueError for another form, a column that is not there, and a quantity given twice.
    """
    chosen: dict[str, Chosen] = {}
    rest = mapping.strip().rstrip(",")
    while rest:
        found = NAME.match(rest)
        if found is None:
            raise ValueError(f"{FORM}; got {rest!r}")
        column, rest = _column(rest[found.end() :], columns, file)
        end = END.match(rest)
        if end is None:
            raise ValueError(f"{FORM}; got {rest!r} after {column!r}")
        if found["name"] in chosen:
            raise ValueError(f"--columns names {found['name']} twice")
        chosen[found["name"]] = Chosen(column, _factor(end["factor"], column))
        rest = rest[end.end() :]
    return chosen


def _column(text: str, columns: Sequence[str], file: str) -> tuple[str, str]:
    """The column that the text begins with, and what follows it."""
    fitting = [name for name in columns if name and text.startswith(name)]
    for name in sorted(fitting, key=len, reverse=True):
        if END.match(text[len(name) :]):
            return name, text[len(name) :]
    quoted = QUOTED.match(text)
    given = quoted["column"].strip() if quoted else re.split(r"[,*]", text)[0].strip()
    if given not in columns:
        raise unknown(f"column of {file}", given, columns)
    return given, text[quoted.end() :] if quoted else text[len(given) :]


def _factor(text: str | None, column: str) -> float:
    if text is None:
        return 1.0
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < inf:
        raise ValueError(
            f"--columns: the factor of {column!r} must be a number above 0, got {text!r}"
        )
    return factor
