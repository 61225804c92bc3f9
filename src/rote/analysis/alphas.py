"""How many bits a parameter holds, for statements that need a capacity: measured, or published."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rote.io.outputs import below
from rote.io.read import Damaged, read_json
from rote.io.shapes import anything, keyed, mapped, text

MANIFEST = keyed({"name": text, "numbers": mapped(anything)})


@dataclass(frozen=True, kw_only=True)
class CapacityScale:
    """Capacity over parameters, on random tokens, and its source."""

    bits_per_parameter: float
    source: str


PUBLISHED = CapacityScale(
    bits_per_parameter=3.6, source="published: Morris et al. 2025, arXiv 2505.24832, abstract"
)


def report_of(reports: Path, name: str) -> Path:
    """The manifest of a sweep's report; raises ValueError for a name that is a path."""
    return below(reports, "a report's name", name) / "manifest.json"


def measured_alphas(
    reports: Path, name: str, damaged: list[str] | None = None
) -> dict[str, CapacityScale]:
    """By precision, what the capacity report ``name`` states: the largest over its settings.

    None of models that were hardly trained: their capacity may be below zero, which scales nothing.
    Empty where there is no such report; why one cannot be read is added to ``damaged``.
    """
    found: dict[str, CapacityScale] = {}
    try:
        manifest = read_json(report_of(reports, name), MANIFEST, "rote report writes it anew")
    except FileNotFoundError:
        return found
    except Damaged as error:
        if damaged is not None:
            damaged.append(str(error))
        return found
    for key, number in manifest["numbers"].items():
        kind, _, words = key.partition(" ")
        precision, _, _ = words.partition(",")  # a setting may follow
        if kind != "alpha" or not _is_above_zero(number):
            continue
        bits = number["bits_per_parameter"]
        if precision not in found or bits > found[precision].bits_per_parameter:
            source = f"measured: capacity report {manifest['name']}, {words}"
            found[precision] = CapacityScale(bits_per_parameter=bits, source=source)
    return found


def _is_above_zero(number: Any) -> bool:
    value = number.get("bits_per_parameter") if isinstance(number, dict) else None
    return isinstance(value, int | float) and value > 0


def capacity_scale(measured: Mapping[str, CapacityScale], precision: str) -> CapacityScale:
    """The measured one in this precision, else the published one."""
    return measured.get(precision, PUBLISHED)
