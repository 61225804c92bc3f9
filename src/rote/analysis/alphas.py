"""How many bits a parameter holds, for statements that need a capacity: measured, or published."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rote.reading.files import Damaged, read_json
from rote.reading.shapes import anything, keyed, mapped, text

MANIFEST = keyed({"name": text, "numbers": mapped(anything)})


@dataclass(frozen=True, kw_only=True)
class CapacityScale:
    """Capacity over parameters, on random tokens, and who says so."""

    bits_per_parameter: float
    source: str


PUBLISHED = CapacityScale(
    bits_per_parameter=3.6, source="published: Morris et al. 2025, arXiv 2505.24832, abstract"
)


def measured_alphas(reports: Path, damaged: list[str] | None = None) -> dict[str, CapacityScale]:
    """By precision: the largest that a capacity report in this folder states.

    The largest, because every measured capacity bounds the true one from below; of models that
    were hardly trained it may be below zero, and then says nothing. Why a report cannot be read is
    added to ``damaged``.
    """
    found: dict[str, CapacityScale] = {}
    for path in sorted(reports.glob("*/manifest.json")):
        try:
            manifest = read_json(path, MANIFEST, "rote report writes it anew")
        except Damaged as error:
            if damaged is not None:
                damaged.append(str(error))
            continue
        for name, number in manifest["numbers"].items():
            kind, _, told = name.partition(" ")
            precision, _, _ = told.partition(",")  # a setting may follow
            if kind != "alpha" or not _is_above_zero(number):
                continue
            scale = CapacityScale(
                bits_per_parameter=number["bits_per_parameter"],
                source=f"measured: capacity report {manifest['name']}, {told}",
            )
            best = found.get(precision)
            if best is None or scale.bits_per_parameter > best.bits_per_parameter:
                found[precision] = scale
    return found


def _is_above_zero(number: Any) -> bool:
    value = number.get("bits_per_parameter") if isinstance(number, dict) else None
    return isinstance(value, int | float) and value > 0


def capacity_scale(measured: Mapping[str, CapacityScale], precision: str) -> CapacityScale:
    """The measured one in this precision, else the published one."""
    return measured.get(precision, PUBLISHED)
