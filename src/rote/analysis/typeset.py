"""How numbers and words are written on pages: true minus signs, no "+0.000", short counts."""

import re

import polars as pl

MINUS = "\N{MINUS SIGN}"
HYPHEN_OF_A_NUMBER = re.compile(r"(?<![\w.])-(?=[\d.∞])")


def number(value: float, form: str) -> str:
    """``form`` of the value; where that shows zero and the value is none, one significant digit."""
    told = form.format(value)
    if value and not re.search(r"[1-9]", told) and re.search(r"\d", told):
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
