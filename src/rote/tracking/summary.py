"""A finished run as the summary of a wandb run, and back again, exactly.

What people look at is nested as in conf and in the record. wandb's own service rewrites numbers on
their way (2.0 becomes 2, and so would a column its type), so what is read back travels as text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from rote.analysis.frame import table_of
from rote.analysis.metrics import derive
from rote.ledger.record import Record

TRAIN, REPORT = "train", "report"  # job types
RECORD = "record_json"  # the text of record.json, with its checksum
CIRCUMSTANCES = "circumstances_json"
DERIVED = "derived"  # what `rote.analysis.metrics` makes of the sums
SETTING = "setting"  # in the config: equal for runs that differ in their seeds alone
SHOWN_CIRCUMSTANCES = ("device", "train_seconds", "measure_seconds", "peak_memory_bytes")


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """What a table and a report need to know of a run besides its arrays."""

    record: Record
    circumstances: Mapping[str, Any]


def summary_of(record: Record, circumstances: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of the summary: sums, counts and what is derived of them, and the two texts."""
    return {
        "entropy_bits": record.entropy_bits,
        "entropy_after_first_token_bits": record.entropy_after_first_token_bits,
        "embedding_parameters": record.embedding_parameters,
        "training": dict(record.training),
        **{name: dict(totals) for name, totals in record.measures.items()},
        "circumstances": {name: circumstances[name] for name in SHOWN_CIRCUMSTANCES},
        DERIVED: _derived(record, circumstances),
        RECORD: record.to_json(),
        CIRCUMSTANCES: json.dumps(dict(circumstances)),
    }


def finished_of(summary: Mapping[str, Any]) -> FinishedRun | None:
    """None where the run had not ended; raises DamagedRecord for a record that was changed."""
    if RECORD not in summary or CIRCUMSTANCES not in summary:
        return None
    return FinishedRun(
        record=Record.from_json(summary[RECORD]),
        circumstances=json.loads(summary[CIRCUMSTANCES]),
    )


def _derived(record: Record, circumstances: Mapping[str, Any]) -> dict[str, Any]:
    """Nested where a name has dots, as wandb writes them."""
    stored = table_of([record], {record.run_id: circumstances})
    (row,) = derive(stored).select(pl.exclude(stored.columns)).rows(named=True)
    nested: dict[str, Any] = {}
    for name, value in row.items():
        family, _, leaf = name.rpartition(".")
        (nested.setdefault(family, {}) if family else nested)[leaf] = value
    return {name: value for name, value in nested.items() if value is not None}
