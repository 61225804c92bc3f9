"""Define the names in a row of the training curve, and the shapes of a run's JSON files.

Readers rely on these keys; a file may hold more.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rote.core.units import bits_from_nats
from rote.io.read import Damaged, json_of
from rote.io.shapes import anything, keyed, listed, mapped, number, optional, text, whole

MEMORISED_BITS = "memorised_bits"
# Used if the source's entropy is unknown: a part of it is generalisation, not memorisation.
BELOW_UNIFORM_BITS = "below_uniform_bits"  # relative to a uniform guesser's code length
LOSS_NATS = "loss_nats_per_token"


def progress_text(row: Mapping[str, float]) -> str:
    """Return a run's progress in few words: memorised bits, or bits per token."""
    if MEMORISED_BITS in row:
        return f"{row[MEMORISED_BITS]:,.0f} bits"
    return f"{bits_from_nats(row[LOSS_NATS]):.3f} bits per token" if LOSS_NATS in row else ""


FAILURE = keyed({"reason": text, "details": text, "time_unix_seconds": number})
CIRCUMSTANCES = keyed(
    {},
    {
        "device": text,
        "setup_seconds": number,
        "train_seconds": number,
        "measure_seconds": number,
        "peak_memory_bytes": number,
        "stacked": whole,
        "processes": whole,
        "commit": optional(text),
        "uncommitted_digest": optional(text),
        "snapshot": optional(text),
        "versions": mapped(anything),
    },
)
ROW, STEP = mapped(number), keyed({"step": whole})


def curve_row(value: Any, place: str) -> None:
    """Accept numbers by name, with a step, fast: curves have a million rows; raises ValueError."""
    if type(value) is not dict or not all(map(_is_number, value.values())):
        ROW(value, place)
    if type(step := value.get("step")) is not int or not 0 <= step < 2**63:
        STEP(value, place)


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 2**63)


CURVE = listed(curve_row)


def curve_of(lines: Sequence[bytes], path: Path) -> list[dict[str, Any]] | None:
    """Parse all rows of a curve at once, faster than one by one; None if one is damaged."""
    try:
        rows: list[dict[str, Any]] = json_of(b"[%b]" % b",".join(lines), path, CURVE)
    except Damaged:
        return None
    return rows if len(rows) == len(lines) else None
