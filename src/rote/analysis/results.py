"""What the finished runs of one sweep left: all that a report is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from rote.ledger.store import RunFolder

Curve = Sequence[Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Results:
    """Runs by id, in the order of the table."""

    table: pl.DataFrame
    curves: Mapping[str, Curve]
    records_sha256: Mapping[str, str]
    folders: Mapping[str, RunFolder]  # where per-sequence arrays lie
