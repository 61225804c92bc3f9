"""What the JSON files of a run must hold for their readers; more keys may stand beside."""

from typing import Any

from rote.io.shapes import keyed, mapped, number, optional, text, whole

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
        "uncommitted_digest": optional(text),
    },
)
ROW = mapped(number)


def curve_row(value: Any, place: str) -> None:
    """Numbers by name, the step among them; raises ValueError.

    The first condition is for speed: a sweep's curves have a million rows.
    """
    if type(value) is not dict or any(type(each) not in (int, float) for each in value.values()):
        ROW(value, place)
    keyed({"step": whole})(value, place)
