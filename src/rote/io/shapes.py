"""Check that values read from a file have the expected shape; a shape checks one value.

A shape is called with the value and its place (``points.0.run_id``, empty for the whole). It raises
ValueError with the place, the expected value and the actual one.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Shape = Callable[[Any, str], None]
TEXT = frozenset({str})


def anything(value: Any, place: str) -> None:
    """Accepts any value."""


def text(value: Any, place: str) -> None:
    """Accepts a string; raises ValueError."""
    _require(isinstance(value, str), value, place, "text")


def whole(value: Any, place: str) -> None:
    """Accepts an integer from 0 up; raises ValueError."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    _require(is_whole and 0 <= value < 2**63, value, place, "a whole number from 0 up")


def number(value: Any, place: str) -> None:
    """Accepts a finite number; raises ValueError."""
    if isinstance(value, float):
        _require(math.isfinite(value), value, place, "a finite number")
    else:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        _require(is_whole and abs(value) < 2**63, value, place, "a finite number")


def flag(value: Any, place: str) -> None:
    """Accepts true and false; raises ValueError."""
    _require(isinstance(value, bool), value, place, "true or false")


def scalar(value: Any, place: str) -> None:
    """Accepts text, a finite number, true, false or null; raises ValueError."""
    is_scalar = value is None or isinstance(value, str | bool | int | float)
    is_finite = not isinstance(value, float) or math.isfinite(value)
    _require(is_scalar and is_finite, value, place, "text, a finite number, true, false or null")


def tree(value: Any, place: str) -> None:
    """Accepts scalars, lists of trees, and objects of trees; raises ValueError."""
    if isinstance(value, list):
        listed(tree)(value, place)
    elif isinstance(value, dict):
        mapped(tree)(value, place)
    else:
        scalar(value, place)


def optional(shape: Shape) -> Shape:
    """Return a shape that accepts null or the given shape."""

    def check(value: Any, place: str) -> None:
        if value is not None:
            shape(value, place)

    return check


def listed(shape: Shape) -> Shape:
    """Return a shape that accepts a list whose items have the given shape."""

    def check(value: Any, place: str) -> None:
        _require(isinstance(value, list), value, place, "a list")
        for index, item in enumerate(value):
            shape(item, _below(place, str(index)))

    return check


def mapped(shape: Shape) -> Shape:
    """Return a shape that accepts an object with text keys whose values have the given shape."""

    def check(value: Any, place: str) -> None:
        _require(isinstance(value, dict), value, place, "an object")
        for key, item in value.items():
            if not isinstance(key, str):  # a call for each key of 100,000 specs takes seconds
                _require(False, key, place, "an object with keys that are text")
            if shape is not anything:
                shape(item, _below(place, key))

    return check


def keyed(required: Mapping[str, Shape], maybe: Mapping[str, Shape] | None = None) -> Shape:
    """Return a shape for an object that has the required keys.

    Keys of ``maybe`` are checked if they are present; any other key is accepted.
    """

    is_object, shapes = mapped(anything), {**required, **(maybe or {})}
    checked = [(key, shape) for key, shape in shapes.items() if shape is not anything]

    def check(value: Any, place: str) -> None:
        if type(value) is not dict or not TEXT.issuperset(map(type, value)):
            is_object(value, place)
        if not value.keys() >= required.keys():
            missing = next(key for key in required if key not in value)
            raise ValueError(f"{place or 'it'} has no {missing!r}")
        for key, shape in checked:
            if key in value:
                shape(value[key], _below(place, key))

    return check


def matching(pattern: str, what: str) -> Shape:
    """Return a shape that accepts text if the regular expression matches all of it."""
    compiled = re.compile(pattern)

    def check(value: Any, place: str) -> None:
        fits = isinstance(value, str) and compiled.fullmatch(value) is not None
        _require(fits, value, place, what)

    return check


def _below(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _require(holds: bool, value: Any, place: str, wanted: str) -> None:
    if not holds:
        raise ValueError(f"{place or 'it'} must be {wanted}, got {_short(value)}")


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    try:
        shown = repr(value)
    except ValueError:  # an integer with more digits than Python prints
        return "a number of very many digits"
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
