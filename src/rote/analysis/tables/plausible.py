"""Warn of columns that look like counts in millions or billions, or like another unit."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from rote.analysis.laws.law import Floats

COUNTS = ("parameters", "tokens", "unique_tokens", "steps", "batch_tokens", "flops", "samples")
UNIT = re.compile(  # in a column's name: "(M)", "[1e9]", "in billions", "params_m"
    r"[(\[]\s*(?:in\s+|x\s*|\*\s*)?(?:k|m|mm|mn|b|bn|g|t|thousands?|millions?|billions?|trillions?"
    r"|1e\d+|10\s*(?:\^|\*\*)\s*\d+)\s*[)\]]"
    r"|\b(?:thousands|millions?|billions?|trillions?)\b|\bin\s+[kmbgt]\b"
    r"|[ _](?:k|m|mm|mn|b|bn|thousands?|millions?|billions?)$",
    re.IGNORECASE,
)
POWER = re.compile(r"(?:1e|10\s*(?:\^|\*\*)\s*)(?P<exponent>\d+)", re.IGNORECASE)
FACTORS = (
    ("thousand", "1e3"), ("k", "1e3"), ("m", "1e6"), ("b", "1e9"), ("g", "1e9"), ("t", "1e12"),
)  # fmt: skip
GREATEST_IN_UNITS = 1e7  # beyond it the numbers are counts, whatever the name says
LEAST = {"parameters": 100, "tokens": 1000, "unique_tokens": 100, "flops": 1e6}
TOKENS_PER_PARAMETER = (1e-3, 1e6)  # beyond these one of the two is in another unit
FLOPS_OFF = 100.0  # times 6 N D, or a part of it
GREATEST_LOSS = 20.0  # nats: e^20 words, more than any vocabulary has


@dataclass(frozen=True)
class ChosenColumns:
    """A column of a table, and what its numbers are multiplied with."""

    column: str
    factor: float = 1.0


def doubts(columns: Mapping[str, Floats], chosen: Mapping[str, ChosenColumns]) -> list[str]:
    """Sentences; ``columns`` hold the numbers that are fitted, ``chosen`` where they come from."""
    found = dict(_of_units(columns, chosen))
    return [*found.values(), *_of_values(columns, found)]


def _of_units(
    columns: Mapping[str, Floats], chosen: Mapping[str, ChosenColumns]
) -> Iterator[tuple[str, str]]:
    for name, values in columns.items():
        if name not in COUNTS:
            continue
        column, factor = chosen[name].column, chosen[name].factor
        span = f"fitted as {values.min():.4g} to {values.max():.4g} {name.replace('_', ' ')}"
        unit = UNIT.search(column)
        if factor == 1 and unit and values.max() < GREATEST_IN_UNITS:
            cure = f"map {name}={column}*{_factor(unit[0])}"
            yield name, f"column {column!r} names a unit, yet its numbers are {span}: {cure}"
        elif values.min() < LEAST.get(name, 0):
            cure = f"map {name}={column}*1e6 if they are millions, *1e9 if they are billions"
            yield name, f"column {column!r} is {span}, which is implausibly few: {cure}"


def _factor(unit: str) -> str:
    if power := POWER.search(unit):
        return f"1e{power['exponent']}"
    word = re.sub(r"\bin\b|[^a-z]", "", unit.lower())
    return next(factor for beginning, factor in FACTORS if word.startswith(beginning))


def _of_values(columns: Mapping[str, Floats], found: Mapping[str, str]) -> Iterator[str]:
    """About loss, and about ratios of columns whose units ``found`` does not doubt."""
    if "loss_nats" in columns and columns["loss_nats"].max() > GREATEST_LOSS:
        yield (
            f"loss_nats is up to {columns['loss_nats'].max():.4g}, more than any vocabulary can "
            "give: is it a perplexity?"
        )
    if not {"parameters", "tokens"} <= set(columns) - set(found):
        return
    parameters, tokens = columns["parameters"], columns["tokens"]
    ratio = float(np.median(tokens / parameters))
    low, high = TOKENS_PER_PARAMETER
    if not low <= ratio <= high:
        yield f"there are {ratio:.3g} tokens for each parameter: one of the two is in another unit"
    elif "flops" in set(columns) - set(found):
        off = float(np.median(columns["flops"] / (6 * parameters * tokens)))
        if not 1 / FLOPS_OFF <= off <= FLOPS_OFF:
            yield f"flops are {off:.3g} times 6 x parameters x tokens: one is in another unit"
