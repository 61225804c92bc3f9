"""Somebody's own table of runs, columns mapped to those that laws know."""

import re
from pathlib import Path

import polars as pl

from rote.analysis.laws.law import COLUMNS, Count, Floats, Law, Measured
from rote.config.choices import unknown
from rote.units import nats_from_bits

IN_BITS = {"loss_bits": "loss_nats"}  # given in bits a token, fitted in nats
MAPPING = re.compile(r"(?P<name>\w+)=(?P<column>[^*]+)(?:\*(?P<factor>[0-9.eE+-]+))?")
UNITS = ("nats", "bits")


def read_runs(path: Path, mapping: str) -> pl.DataFrame:
    """One row a run, columns of `COLUMNS`; ``mapping`` is NAME=COLUMN[*FACTOR],...

    Columns that already have a known name need no mapping. Raises ValueError for a file that is no
    table, a name or a column that is not there, what is no number, or a loss in two units.
    """
    try:
        table = pl.read_csv(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(f"{path} is not a table: {error}") from error
    known = [*COLUMNS, *IN_BITS]
    chosen = {name: (name, 1.0) for name in known if name in table.columns}
    for part in filter(None, mapping.split(",")):
        name, column, factor = _parsed(part)
        if name not in known:
            raise unknown("column", name, known)
        if column not in table.columns:
            raise unknown(f"column of {path.name}", column, table.columns)
        chosen[name] = (column, factor)
    _require_one_unit(chosen, path)
    series = {
        IN_BITS.get(name, name): _numbers(table[column], name, path) * factor
        for name, (column, factor) in chosen.items()
    }
    if "loss_bits" in chosen:
        series["loss_nats"] = nats_from_bits(series["loss_nats"])
    return pl.DataFrame(series)


def measured_rows(runs: pl.DataFrame, law: Law, count: Count) -> Measured:
    """All rows; raises ValueError naming the columns that the law lacks."""
    needed = [*(law.needs or (*law.inputs, law.output))]
    if missing := [name for name in needed if name not in runs.columns]:
        mapped = ",".join(f"{name}=..." for name in missing)
        raise ValueError(f"needs {' and '.join(missing)}: --columns {mapped}")
    names = needed + [name for name in law.optional if name in runs.columns]
    columns: dict[str, Floats] = {name: runs[name].to_numpy() for name in names}
    return Measured(columns=columns, count=count)


def _parsed(part: str) -> tuple[str, str, float]:
    found = MAPPING.fullmatch(part.strip())
    if found is None:
        raise ValueError(f"--columns takes NAME=COLUMN or NAME=COLUMN*FACTOR, got {part!r}")
    return found["name"], found["column"].strip(), float(found["factor"] or 1)


def _require_one_unit(chosen: dict[str, tuple[str, float]], path: Path) -> None:
    """A loss is in nats or in bits, and its column does not say the other."""
    if "loss_nats" in chosen and "loss_bits" in chosen:
        raise ValueError(f"{path.name}: the loss is given in nats and in bits, one unit is needed")
    for name in ("loss_nats", "loss_bits"):
        unit = name.removeprefix("loss_")
        other = UNITS[1 - UNITS.index(unit)]
        if name in chosen and other in chosen[name][0].lower():
            column = chosen[name][0]
            raise ValueError(f"{path.name}: column {column!r} says {other}: map it to loss_{other}")


def _numbers(column: pl.Series, name: str, path: Path) -> pl.Series:
    try:
        return column.cast(pl.Float64).fill_null(float("nan"))
    except pl.exceptions.PolarsError as error:
        raise ValueError(
            f"{path.name}: column {column.name!r} ({name}) holds no numbers"
        ) from error
