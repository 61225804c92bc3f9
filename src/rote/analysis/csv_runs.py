"""Somebody's own table of runs, columns mapped to those that laws know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from rote.analysis.laws.law import COLUMNS, Count, Floats, Law, Measured
from rote.analysis.tables.cells import Cells, read_cells
from rote.analysis.tables.mapping import Chosen, parse_columns
from rote.analysis.tables.numbers import Style, numbers, style_of
from rote.analysis.tables.plausible import COUNTS, doubts
from rote.config.choices import unknown
from rote.units import nats_from_bits

IN_BITS = {"loss_bits": "loss_nats"}  # given in bits a token, fitted in nats
UNITS = ("nats", "bits")


@dataclass(frozen=True)
class OwnRuns:
    """One row a run; columns of `COLUMNS` become numbers when a law asks for them."""

    cells: Cells
    chosen: Mapping[str, Chosen]  # where each quantity stands in the file

    @property
    def columns(self) -> list[str]:
        """The quantities that are there."""
        return [IN_BITS.get(name, name) for name in self.chosen]

    def __getitem__(self, name: str) -> pl.Series:
        """Raises ValueError naming line and column of a cell that is no number."""
        given = next(each for each in self.chosen if IN_BITS.get(each, each) == name)
        column = self.chosen[given]
        values = numbers(self.cells, column.column, self._style, is_count=given in COUNTS)
        series = pl.Series(name, values, dtype=pl.Float64) * column.factor
        return nats_from_bits(series) if given in IN_BITS else series

    def doubts(self, names: Sequence[str]) -> list[str]:
        """Warnings about these quantities; raises as `__getitem__`."""
        own = {IN_BITS.get(name, name): column for name, column in self.chosen.items()}
        return doubts({name: self[name].to_numpy() for name in names}, own)

    @cached_property
    def _style(self) -> Style:
        return style_of(self.cells, [column.column for column in self.chosen.values()])


def read_runs(path: Path, mapping: str) -> OwnRuns:
    """Read a table of runs; ``mapping`` is NAME=COLUMN[*FACTOR],...

    Columns that already have a known name need no mapping. Raises ValueError for a file that is no
    table, a name or a column that is not there, and a loss in two units.
    """
    cells = read_cells(path)
    known = [*COLUMNS, *IN_BITS]
    mapped = parse_columns(mapping, cells.names, path.name)
    for name in mapped:
        if name not in known:
            raise unknown("column", name, known)
    chosen = {name: Chosen(name) for name in known if name in cells.names} | mapped
    _require_one_unit(chosen, path)
    return OwnRuns(cells, chosen)


def measured_rows(runs: OwnRuns, law: Law, count: Count) -> Measured:
    """All rows; raises ValueError naming the columns that the law lacks, and bad cells."""
    names = _names(runs, law)
    columns: dict[str, Floats] = {name: runs[name].to_numpy() for name in names}
    return Measured(columns=columns, count=count)


def doubts_about(runs: OwnRuns, law: Law) -> list[str]:
    """Warnings about the columns that the law takes; raises as `measured_rows`."""
    return runs.doubts(_names(runs, law))


def _names(runs: OwnRuns, law: Law) -> list[str]:
    needed = [*(law.needs or (*law.inputs, law.output))]
    if missing := [name for name in needed if name not in runs.columns]:
        mapped = ",".join(f"{name}=..." for name in missing)
        have = ", ".join(map(repr, runs.cells.names))
        raise ValueError(
            f"needs {' and '.join(missing)}: --columns {mapped} "
            f"(columns of {runs.cells.file}: {have})"
        )
    return needed + [name for name in law.optional if name in runs.columns]


def _require_one_unit(chosen: Mapping[str, Chosen], path: Path) -> None:
    """A loss is in nats or in bits, and its column does not say the other."""
    if "loss_nats" in chosen and "loss_bits" in chosen:
        raise ValueError(f"{path.name}: the loss is given in nats and in bits, one unit is needed")
    for name in ("loss_nats", "loss_bits"):
        unit = name.removeprefix("loss_")
        other = UNITS[1 - UNITS.index(unit)]
        if name in chosen and other in chosen[name].column.lower():
            column = chosen[name].column
            raise ValueError(f"{path.name}: column {column!r} says {other}: map it to loss_{other}")
