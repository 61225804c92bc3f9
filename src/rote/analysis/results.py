"""Gather the finished runs of one sweep, and turn their records into one typed table.

The table has a row per run, and a column per key of conf or stored sum.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import polars as pl
from numpy.typing import NDArray

from rote.analysis.published import CapacityScale
from rote.core.progress import Progress, no_progress
from rote.io.write import write_bytes
from rote.ledger.record import Record
from rote.ledger.spec import flatten
from rote.ledger.store import RunFolder

Curve = Sequence[Mapping[str, float]]


class FinishedRun(NamedTuple):
    """The results of a finished run, without its arrays."""

    record: Record
    circumstances: Mapping[str, Any]  # may differ between two equal runs: device, time, memory
    curve: Curve = ()  # empty if it was not asked for


class Corpus(Protocol):
    """Prepared windows of text, by sample id."""

    @property
    def vocab_size(self) -> int:
        """Number of symbols of the tokeniser."""

    @property
    def num_windows(self) -> int:
        """Number of windows without duplicates."""

    @property
    def num_duplicates(self) -> int:
        """Number of windows that were removed because an equal one came before."""

    def tokens(self, ids: NDArray[Any]) -> NDArray[Any]:
        """Return the windows of these ids, int64 [n, L]."""

    def text(self, ids: NDArray[Any]) -> list[str]:
        """Return the same windows, decoded."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Runs by id, in the order of the table."""

    table: pl.DataFrame
    curves: Mapping[str, Curve]
    records_sha256: Mapping[str, str]
    folders: Mapping[str, RunFolder]  # folders of the per-sequence arrays
    alphas: Mapping[str, CapacityScale]  # by precision, from the capacity report that is named
    open_corpus: Callable[[str], Corpus]  # opens a corpus by its id
    progress: Progress = no_progress  # receives the progress of a long report
    commits: Sequence[str] = ()  # by which the runs were trained
    code_versions: str = ""  # a line if several versions of the code trained the runs
    trained_until: str = ""  # the day on which the last of them began, as 2026-11-30


NUMBERS = {int, float}
WRITERS: Mapping[str, Callable[..., Any]] = {
    ".parquet": pl.DataFrame.write_parquet,
    ".csv": pl.DataFrame.write_csv,
    ".arrow": pl.DataFrame.write_ipc,
}
CURVE_AXES = ("run_id", "step", "tokens")

CIRCUMSTANCES = (
    "device", "setup_seconds", "train_seconds", "measure_seconds", "peak_memory_bytes", "stacked",
    "processes",
)  # fmt: skip


def table_of(runs: Iterable[FinishedRun]) -> pl.DataFrame:
    """Build the table: columns named as in conf, then sums as stored; ratios are derived elsewhere.

    A key that some runs lack is null there. Raises ValueError, naming the column, if one column
    holds values of different kinds, and if circumstances lack a key.
    """
    rows = [_row(run.record) | _around(run.record.run_id, run.circumstances) for run in runs]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame([series(name, [row.get(name) for row in rows]) for name in names])


def series(name: str, values: Sequence[Any]) -> pl.Series:
    """One column; whole numbers among others become floats, lists JSON.

    Raises ValueError naming a column that holds values of different kinds.
    """
    plain = [json.dumps(value) if isinstance(value, list) else value for value in values]
    kinds = {type(value) for value in plain if value is not None}
    if kinds == NUMBERS:
        plain = [None if value is None else float(value) for value in plain]
    elif len(kinds) > 1:
        names = sorted(kind.__name__ for kind in kinds)
        raise ValueError(f"column {name!r} mixes {' and '.join(names)}: not one table")
    # The type of a column that is null throughout cannot be inferred.
    return pl.Series(name, plain, dtype=None if kinds else pl.Float64)


def write_table(table: pl.DataFrame, folder: Path) -> None:
    """Write table.parquet and table.csv, as `write_frame` does."""
    for name in ("table.parquet", "table.csv"):
        write_frame(table, folder / name)


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """Write a table whole or not at all, in the format of the file's suffix, one of `WRITERS`."""
    packed = io.BytesIO()
    WRITERS[path.suffix](frame, packed)
    write_bytes(path, packed.getvalue())


def curves_table(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> pl.DataFrame:
    """Stack all curves, run by run: a row per logged step, a column per curve.

    Axes come first, then names in order; values that a run did not log are null.
    """
    rows = [{"run_id": run_id, **row} for run_id, curve in curves.items() for row in curve]
    given = {name for row in rows for name in row}
    names = [*CURVE_AXES, *sorted(given - set(CURVE_AXES))]
    kinds = {"run_id": pl.String, "step": pl.Int64, "tokens": pl.Int64}
    return pl.DataFrame(rows, schema={name: kinds.get(name, pl.Float64) for name in names})


def _row(record: Record) -> dict[str, Any]:
    return {
        "run_id": record.run_id,
        **flatten(record.what),
        "parameters": record.parameters,
        "embedding_parameters": record.embedding_parameters,
        "entropy_bits": record.entropy_bits,
        "entropy_after_first_token_bits": record.entropy_after_first_token_bits,
        **flatten({"training": record.training}),
        **flatten(record.measures),
    }


def _around(run_id: str, circumstances: Mapping[str, Any]) -> dict[str, Any]:
    known = {"stacked": 1, "processes": 1, **circumstances}
    if missing := [key for key in CIRCUMSTANCES if key not in known]:
        raise ValueError(f"circumstances.json of run {run_id} is damaged: no {missing[0]!r}")
    return {f"circumstances.{key}": known[key] for key in CIRCUMSTANCES}
