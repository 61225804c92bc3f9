"""Read and write numbers in short forms: 1.5b, 170m, 500k, 1e21."""

import re

MULTIPLES = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
FORM = re.compile(  # commas and underscores only between thousands
    r"((?:\d{1,3}(?:[,_]\d{3})+|\d+)(?:\.\d*)?(?:e[+-]?\d+)?)([kmbgt]?)", re.ASCII | re.IGNORECASE
)
SHORT = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def amount(text: str) -> float:
    """Parse 1.5b as 1.5e9; raises ValueError unless it is a number above 0."""
    found = FORM.fullmatch(text.strip())
    value = float(re.sub("[,_]", "", found[1])) * MULTIPLES[found[2].lower()] if found else 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"must be a number like 1.5b, 170m or 1e21, got {text!r}")
    return value


def short(value: float) -> str:
    """Format with three digits: 1.56B, 171M, 1e21; powers of ten from a quadrillion on."""
    if value >= 1e15:
        return f"{value:.3g}".replace("e+", "e")
    for size, letter in SHORT:
        if value >= 0.9995 * size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def duration(seconds: float) -> str:
    """Format in the unit that gives a readable number."""
    for size, unit in ((365.25 * 86400, "years"), (86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s" if seconds >= 0.1 else "<0.1 s"
