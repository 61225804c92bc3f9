"""What the words of a command line may be: one parser class and the types of its arguments.

A type turns the text into a value, or raises argparse.ArgumentTypeError with what it must be; the
parser turns every complaint into a ValueError of one line.
"""

import argparse
import re
from collections.abc import Callable
from typing import Any, NoReturn

WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
RUN_ID = re.compile(r"[0-9a-f]{16}")
MUST = re.compile(r"^argument (?P<name>\S+): must ")


class Parser(argparse.ArgumentParser):
    """argparse's, but a mistake is a ValueError of one line, not the usage and an exit.

    An argument without a type is a `text`.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.register("type", None, text)

    def error(self, message: str) -> NoReturn:
        """Raises ValueError, always."""
        raise ValueError(f"{MUST.sub(_named, message)}; see {self.prog} --help")


def whole(least: int, most: int) -> Callable[[str], int]:
    """A type for whole numbers of a range, written in the digits 0 to 9."""

    def convert(text: str) -> int:
        if not WHOLE.fullmatch(text) or not least <= int(text[:40]) <= most:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least} to {most}, got {text!r}"
            )
        return int(text)

    return convert


def text(given: str) -> str:
    """A type for names, paths and other texts: not empty, nothing that cannot be printed."""
    if not given.strip():
        raise argparse.ArgumentTypeError(f"must not be empty, got {given!r}")
    if not given.isprintable():
        raise argparse.ArgumentTypeError(f"must not hold control characters, got {given!r}")
    return given


def run_id(given: str) -> str:
    """A type for the whole name of a run."""
    if not RUN_ID.fullmatch(given):
        raise argparse.ArgumentTypeError(
            f"must be 16 hex digits, as rote status shows them, got {given!r}"
        )
    return given


def _named(found: re.Match[str]) -> str:
    return f"{found['name']} must "
