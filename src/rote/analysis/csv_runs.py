"""Read a user's own table of runs, and map its columns to those that laws know.

`--columns NAME=COLUMN[*FACTOR],...` maps a column of the table to a quantity.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path

import polars as pl

from rote.analysis.laws.law import COLUMNS, Law, LawData, RunCount
from rote.analysis.tables.cells import Cells, Style, numbers, read_cells, style_of
from rote.analysis.tables.separated import COUNTS, ChosenColumns, doubts
from rote.config.choices import unknown
from rote.core.units import nats_from_bits

IN_BITS = {"loss_bits": "loss_nats"}  # given in bits per token, fitted in nats
P_Z, SUFFIX_TOKENS = "p_z", "suffix_tokens"  # given together, fitted as suffix_token_p
FITTED_AS = {**IN_BITS, P_Z: "suffix_token_p"}
NAME = re.compile(r"\s*(?P<name>\w+)\s*=\s*")
QUOTED = re.compile(r"""(?P<quote>["'])(?P<column>.*?)(?P=quote)(?=\s*([*,]|$))""")
END = re.compile(r"\s*(\*\s*(?P<factor>[^,*]*))?\s*(,|$)")
FORM = "--columns takes NAME=COLUMN or NAME=COLUMN*FACTOR, a COLUMN in quotes where need be"


@dataclass(frozen=True)
class OwnRuns:
    """One row per run; columns of `COLUMNS` become numbers when a law needs them."""

    cells: Cells
    chosen: Mapping[str, ChosenColumns]  # the column of each quantity

    @cached_property
    def _own(self) -> dict[str, str]:
        """The quantities in the file, each with the name under which it is given."""
        return {FITTED_AS.get(name, name): name for name in self.chosen if name != SUFFIX_TOKENS}

    def __getitem__(self, name: str) -> pl.Series:
        """Return a quantity; raises ValueError naming the line and column of a non-number, and for
        p_z that is no probability or has no number of suffix tokens.
        """
        given = self._own[name]
        series = self._numbers(given).rename(name)
        if given == P_Z:
            return self._suffix_token_p(series)
        return nats_from_bits(series) if given in IN_BITS else series

    def _numbers(self, given: str) -> pl.Series:
        column = self.chosen[given]
        values = numbers(self.cells, column.column, self._style, is_count=given in COUNTS)
        return pl.Series(given, values, dtype=pl.Float64) * column.factor

    def _suffix_token_p(self, p_z: pl.Series) -> pl.Series:
        """Return the probability of a token of the suffix, a geometric mean."""
        if SUFFIX_TOKENS not in self.chosen:
            raise ValueError(f"p_z needs {SUFFIX_TOKENS}: --columns {SUFFIX_TOKENS}=...")
        tokens = self._numbers(SUFFIX_TOKENS)
        for name, values, is_right in (
            (P_Z, p_z, (p_z > 0) & (p_z <= 1)), (SUFFIX_TOKENS, tokens, tokens > 0)
        ):  # fmt: skip
            if not is_right.all():
                row = (~is_right).arg_true()[0]
                raise ValueError(f"{name} of run {row + 1} is {values[row]:g}: no such measurement")
        return (p_z.log() / tokens).exp()

    def doubts(self, names: Sequence[str]) -> list[str]:
        """Return warnings about these quantities; raises as `__getitem__`."""
        columns = {name: self[name].to_numpy() for name in names}
        return doubts(columns, {name: self.chosen[given] for name, given in self._own.items()})

    @cached_property
    def _style(self) -> Style:
        return style_of(self.cells, [column.column for column in self.chosen.values()])

    def names_for(self, law: Law) -> list[str]:
        """Return the columns that a law uses; raises ValueError naming those that are missing."""
        if missing := [name for name in law.columns if name not in self._own]:
            mapped = ",".join(f"{name}=..." for name in missing)
            have = ", ".join(map(repr, self.cells.names))
            raise ValueError(
                f"needs {' and '.join(missing)}: --columns {mapped} "
                f"(columns of {self.cells.file}: {have})"
            )
        optional = (name for name in law.optional if name in self._own)
        return [*law.columns, *optional]


def read_runs(path: Path, mapping: str) -> OwnRuns:
    """Read a table of runs; ``mapping`` is NAME=COLUMN[*FACTOR],...

    Columns that already have a known name need no mapping. Raises ValueError for a file that is no
    table, a mapping of another form, an unknown name or column, a quantity that is given twice, and
    a loss in two units.
    """
    cells = read_cells(path)
    known = [*COLUMNS, *FITTED_AS, SUFFIX_TOKENS]
    mapped = _parsed(mapping, cells)
    for name in mapped:
        if name not in known:
            raise unknown("column", name, known)
    chosen = {name: ChosenColumns(name) for name in known if name in cells.names} | mapped
    if {"loss_nats", "loss_bits"} <= set(chosen):
        raise ValueError(f"{path.name}: the loss is given in nats and in bits, one unit is needed")
    if {"suffix_token_p", P_Z} <= set(chosen):
        raise ValueError(f"{path.name}: suffix_token_p and p_z are one quantity, give one")
    for name, other in (("loss_nats", "bits"), ("loss_bits", "nats")):
        if name in chosen and other in (column := chosen[name].column).lower():
            raise ValueError(f"{path.name}: column {column!r} says {other}: map it to loss_{other}")
    return OwnRuns(cells, chosen)


def measured_rows(runs: OwnRuns, law: Law, count: RunCount) -> LawData:
    """Return all rows; raises ValueError naming bad cells, or columns that the law lacks."""
    columns = {name: runs[name].to_numpy() for name in runs.names_for(law)}
    return LawData(columns=columns, count=count)


def _parsed(mapping: str, cells: Cells) -> dict[str, ChosenColumns]:
    """Parse the mapping into columns by quantity.

    A column's own name may hold commas, equals signs and stars: the longest match is taken.
    """
    chosen: dict[str, ChosenColumns] = {}
    rest = mapping.strip().rstrip(",")
    while rest:
        found = NAME.match(rest)
        if found is None:
            raise ValueError(f"{FORM}; got {rest!r}")
        column, rest = _column(rest[found.end() :], cells)
        end = END.match(rest)
        if end is None:
            raise ValueError(f"{FORM}; got {rest!r} after {column!r}")
        if found["name"] in chosen:
            raise ValueError(f"--columns names {found['name']} twice")
        chosen[found["name"]] = ChosenColumns(column, _factor(end["factor"], column))
        rest = rest[end.end() :]
    return chosen


def _column(text: str, cells: Cells) -> tuple[str, str]:
    """Return the column with which the text begins, and the rest of the text."""
    fitting = [name for name in cells.names if name and text.startswith(name)]
    for name in sorted(fitting, key=len, reverse=True):
        if END.match(text[len(name) :]):
            return name, text[len(name) :]
    quoted = QUOTED.match(text)
    given = quoted["column"].strip() if quoted else re.split(r"[,*]", text)[0].strip()
    if given not in cells.names:
        raise unknown(f"column of {cells.file}", given, cells.names)
    return given, text[quoted.end() if quoted else len(given) :]


def _factor(text: str | None, column: str) -> float:
    try:
        factor = 1.0 if text is None else float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < inf:
        raise ValueError(
            f"--columns: the factor of {column!r} must be a number above 0, got {text!r}"
        )
    return factor
