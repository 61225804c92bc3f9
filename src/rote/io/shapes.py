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


def accepting(fits: Callable[[Any], bool], wanted: str) -> Shape:
    """Return a shape that accepts a value if it ``fits``; an error says what was ``wanted``."""

    def check(value: Any, place: str) -> None:
        if not fits(value):
            raise _wrong(value, place, wanted)

    return check


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return _is_integer(value) and abs(value) < 2**63


def _is_scalar(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | bool | int)


anything = accepting(lambda value: True, "anything")
text = accepting(lambda value: isinstance(value, str), "text")
whole = accepting(
    lambda value: _is_integer(value) and 0 <= value < 2**63, "a whole number from 0 up"
)
number = accepting(_is_number, "a finite number")
flag = accepting(lambda value: isinstance(value, bool), "true or false")
scalar = accepting(_is_scalar, "text, a finite number, true, false or null")


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
        if not isinstance(value, list):
            raise _wrong(value, place, "a list")
        for index, item in enumerate(value):
            shape(item, _below(place, str(index)))

    return check


def mapped(shape: Shape) -> Shape:
    """Return a shape that accepts an object with text keys whose values have the given shape."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(value, place, "an object")
        for key, item in value.items():
            if not isinstance(key, str):
                raise _wrong(key, place, "an object with keys that are text")
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
    return accepting(
        lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None, what
    )


def _below(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _wrong(value: Any, place: str, wanted: str) -> ValueError:
    return ValueError(f"{place or 'it'} must be {wanted}, got {_short(value)}")


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    try:
        shown = repr(value)
    except ValueError:  # an integer with more digits than Python prints
        return "a number of very many digits"
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
