"""Curves in wandb: what is added to a row, what is best of a curve, and a row as it was on disk."""

from collections.abc import Iterable, Mapping
from typing import Any

from rote.core.units import bits_from_nats
from rote.ledger.curve import LOSS_NATS, MEMORISED_BITS

Row = dict[str, float]

STEP, TOKENS, EPOCHS = "step", "tokens", "epochs"
AXES = (STEP, TOKENS, EPOCHS)
COUNTS = (STEP, TOKENS)
BITS_PER_PARAMETER = "bits_per_parameter"
LOSS_BITS = "loss_bits_per_token"
ADDED = (EPOCHS, BITS_PER_PARAMETER, LOSS_BITS)  # derived, for wandb's axes; never on disk


def with_derived(row: Mapping[str, float], *, parameters: int, epoch_tokens: int) -> Row:
    """A row of curve.jsonl and what charts need besides."""
    logged = {**row, EPOCHS: row[TOKENS] / epoch_tokens}
    if MEMORISED_BITS in row:
        logged[BITS_PER_PARAMETER] = row[MEMORISED_BITS] / parameters
    if LOSS_NATS in row:
        logged[LOSS_BITS] = bits_from_nats(row[LOSS_NATS])
    return logged


def as_on_disk(logged: Mapping[str, Any]) -> Row:
    """The row that was logged: wandb adds columns of its own and writes 2.0 as 2."""
    own = {
        name: value
        for name, value in logged.items()
        if not name.startswith("_") and name not in ADDED
    }
    return {name: int(own[name]) if name in COUNTS else float(own[name]) for name in _ordered(own)}


def merged(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """One curve of the logs of all lives; where two hold a step, the later counts."""
    by_step = {row[STEP]: as_on_disk(row) for row in rows if STEP in row}
    return [by_step[step] for step in sorted(by_step)]


def aggregates(name: str) -> tuple[str, ...]:
    """What a summary says of this curve: its last value, and its best where one is better."""
    if name.endswith("_per_token"):
        return "min", "last"
    if name.endswith(("_bits", BITS_PER_PARAMETER)):
        return "max", "last"
    return ("last",)


def curve_summary(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Best and last of every curve over all lives; wandb itself knows those of the last alone."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return {
        name: {kind: _aggregate(kind, values) for kind in aggregates(name)}
        for name, values in columns.items()
        if name not in AXES
    }


def _aggregate(kind: str, values: list[float]) -> float:
    return {"min": min(values), "max": max(values), "last": values[-1]}[kind]


def _ordered(names: Iterable[str]) -> list[str]:
    """Axes first: wandb keeps no order of columns."""
    return sorted(names, key=lambda name: (name not in COUNTS, name))
