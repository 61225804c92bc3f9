"""Data as scripts: a page opened as a file may load a script, it may not fetch."""

import json
import math
from collections.abc import Iterable
from typing import Any

SIGNIFICANT_DIGITS = 7  # in tables and curves; records themselves are given in full


def script(name: str, value: Any) -> bytes:
    """Hands ``value`` to whoever waits for ``name`` in the page.

    JSON is read faster inside a string than as a program (by a factor of two for a megabyte).
    """
    text = json.dumps(json.dumps(value, separators=(",", ":"), allow_nan=False))
    return f"rote.take({json.dumps(name)}, {text});\n".encode()


def short(values: Iterable[Any]) -> list[Any]:
    """Floats to seven digits; what is not finite is null, for JSON has no word for it."""
    return [_short(value) if isinstance(value, float) else value for value in values]


def _short(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
