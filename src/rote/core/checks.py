"""Check the arguments of constructors; each function raises ValueError for a wrong value."""

from collections.abc import Collection, Sequence
from math import inf
from typing import TypeGuard


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def require_whole(name: str, value: object, least: int, most: int | None = None) -> None:
    """Raises ValueError with key, value and range unless the value is an integer in the range."""
    if not _is_integer(value) or value < least or (most is not None and value > most):
        upper = "up" if most is None else f"to {most}"
        raise ValueError(f"{name} must be a whole number from {least} {upper}, got {value!r}")


def require_flag(name: str, value: object) -> None:
    """Raises ValueError with the key and the value unless the value is true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}")


def require_number(name: str, value: object, least: float, *, below: float = inf) -> None:
    """Raises ValueError with key, value and range unless ``least`` <= value < ``below``."""
    if not _is_number(value) or not least <= value < below:
        upper = "up" if below == inf else f"to below {below}"
        raise ValueError(f"{name} must be a number from {least} {upper}, got {value!r}")


def require_share(name: str, value: object) -> None:
    """Raises ValueError with the key and the value unless it is a number from 0 to 1."""
    if not _is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value!r}")


def require_positive(name: str, value: object) -> None:
    """Raises ValueError with the key and the value unless it is a finite number above 0."""
    if not _is_number(value) or not 0 < value < inf:
        raise ValueError(f"{name} must be a number above 0, got {value!r}")


def require_list(name: str, value: object) -> None:
    """Raises ValueError with the key and the value for a single value where a list is meant."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError(f"{name} must be a list such as [{value}], got {value!r}")


def require_distinct(name: str, values: Sequence[object]) -> None:
    """Raises ValueError with the key and the values if they are empty or two are equal."""
    require_list(name, values)
    if len(values) == 0 or len(set(values)) != len(values):
        raise ValueError(f"{name} must hold one or more different values, got {list(values)}")


def require_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raises ValueError with the key, the value and the choices unless it is one of them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def require_line(name: str, value: object) -> None:
    """Raises ValueError with the key and the value unless it is one printable line of text."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(f"{name} must be one line of text, got {value!r}")


def require_word(name: str, value: object) -> None:
    """Raises ValueError with the key and the value unless it can be one word of a shell script.

    A whole number counts as a word. Text that begins with a dash does not: it would be a flag.
    """
    is_number = _is_integer(value) and value >= 0
    is_word = isinstance(value, str) and value.isprintable() and value.split() == [value]
    if not is_number and (not is_word or str(value).startswith("-")):
        raise ValueError(f"{name} must be one word without spaces, got {value!r}")
