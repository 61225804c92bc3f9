"""How numbers and words are written on pages: true minus signs, no "+0.000", short counts."""

import re
from collections.abc import Iterable

import polars as pl

MINUS = "\N{MINUS SIGN}"
COUNT_OF = re.compile(r"\bnum_(\w+) (\d+)(?=,|$)")
HYPHEN_OF_A_NUMBER = re.compile(r"(?<![\w.])-(?=[\d.∞])")


def number(value: float, form: str) -> str:
    """``form`` of the value, 0 without a sign; one significant digit where it would show zero."""
    told = form.format(value)
    if value == 0:
        return told.replace("+", "")
    if not re.search(r"[1-9]", told) and re.search(r"\d", told):
        if "%" in form:
            return f"{'+' if '+' in form and value > 0 else ''}{100 * value:.1g}%"
        return f"{value:{'+' if '+' in form else ''}.1g}"
    return told


def typeset(text: str) -> str:
    """With a true minus before numbers; text that is copied to a terminal keeps its hyphens."""
    return HYPHEN_OF_A_NUMBER.sub(MINUS, text)


def plural(count: int, noun: str) -> str:
    """As "1 seed" and "3 seeds"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def extent(column: pl.Series) -> str:
    """Least to most of whole numbers; one where all are equal."""
    low, high = column.to_numpy().min(), column.to_numpy().max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def between(values: Iterable[float], form: str) -> str:
    """Least to most, as "0.10 to 0.14"; one where both are written alike. Takes one or more."""
    numbers = list(values)
    low, high = form.format(min(numbers)), form.format(max(numbers))
    return low if low == high else f"{low} to {high}"


def setting_words(setting: str) -> str:
    """Of keys and values: "num_sequences 400, top_k 5" as "400 sequences, top k 5"."""
    counted = COUNT_OF.sub(lambda found: f"{int(found[2]):,} {found[1]}", setting)
    return counted.replace("_", " ")
