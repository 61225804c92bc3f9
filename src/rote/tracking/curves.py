"""Convert curves between disk and wandb: derived columns, summaries, and rows read back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from rote.analysis.overviews import EPOCHS, PROGRESS, STEP, TOKENS
from rote.core.units import bits_from_nats
from rote.ledger.curve import LOSS_NATS, MEMORISED_BITS

Row = dict[str, float]

COUNTS = (STEP, TOKENS)
BITS_PER_PARAMETER = "bits_per_parameter"
LOSS_BITS = "loss_bits_per_token"
AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "min": min, "max": max, "last": itemgetter(-1),
}  # fmt: skip
ADDED = (EPOCHS, BITS_PER_PARAMETER, LOSS_BITS)  # derived, for wandb's axes; never on disk


def with_derived(row: Mapping[str, float], *, parameters: int, epoch_tokens: int) -> Row:
    """Return a row of curve.jsonl plus the columns that charts need."""
    logged = {**row, EPOCHS: row[TOKENS] / epoch_tokens}
    if MEMORISED_BITS in row:
        logged[BITS_PER_PARAMETER] = row[MEMORISED_BITS] / parameters
    if LOSS_NATS in row:
        logged[LOSS_BITS] = bits_from_nats(row[LOSS_NATS])
    return logged


def as_on_disk(logged: Mapping[str, Any]) -> Row:
    """Restore the row that was logged: wandb adds its own columns and writes 2.0 as 2."""
    own = {
        name: value
        for name, value in logged.items()
        if not name.startswith("_") and name not in ADDED
    }
    # Axes first: wandb does not keep the order of columns.
    order = sorted(own, key=lambda name: (name not in COUNTS, name))
    return {name: int(own[name]) if name in COUNTS else float(own[name]) for name in order}


def merged(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Merge the logs of all sessions into one curve; if two have a step, the later one counts."""
    by_step = {row[STEP]: as_on_disk(row) for row in rows if STEP in row}
    return [by_step[step] for step in sorted(by_step)]


def aggregates(name: str) -> tuple[str, ...]:
    """Return a curve's summaries: its last value, and its best if it has a best."""
    if name.endswith("_per_token"):
        return "min", "last"
    if name.endswith(("_bits", BITS_PER_PARAMETER)):
        return "max", "last"
    return ("last",)


def curve_summary(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Return best and last of every curve over all sessions; wandb knows only the last session."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return {
        name: {kind: AGGREGATES[kind](values) for kind in aggregates(name)}
        for name, values in columns.items()
        if name not in PROGRESS
    }
