"""This module prints: results, errors, or one JSON document instead."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import table
from rich.console import Console
from rich.text import Text

from rote.io.read import printable

if TYPE_CHECKING:
    from rote.analysis.table import Table

PIPE_COLUMNS = 200
QUIET = "ROTE_QUIET"  # set: nothing but errors and JSON that was asked for
SHOWN_REASONS = 5


class Failed(RuntimeError):
    """A valid request that failed: one line, exit code 1."""


class Screen(Console):
    """A console that prints text as it is: no markup in it, no emoji, no terminal's escapes.

    Questions, names, reasons and logs come from files that others may have written.
    """

    def render_str(self, text: str, **looks: Any) -> Text:
        """As rich renders it, without control characters."""
        return super().render_str(printable(text), **{**looks, "markup": False, "emoji": False})


def screen() -> Screen:
    """Where commands print their results; in a pipe they are not folded at 80 columns."""
    console = Screen(highlight=False, soft_wrap=False, quiet=QUIET in os.environ)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    return console


def aside() -> Screen:
    """Standard error, for how far something is: results may go to a file meanwhile."""
    return Screen(stderr=True, quiet=QUIET in os.environ)


def errors() -> Screen:
    """Standard error, a line each."""
    return Screen(stderr=True, soft_wrap=True, highlight=False)


def print_json(value: Any) -> None:
    """The one document on standard output, --quiet or not; refuses NaN, which is not JSON."""
    sys.stdout.write(json.dumps(value, indent=1, allow_nan=False) + "\n")


def grid(
    shown: "Table", *, styles: Sequence[str] = (), is_stacked: bool = False, **looks: Any
) -> table.Table:
    """A table of a page for the terminal; a style for each row, ``looks`` as rich takes them.

    ``is_stacked``: small print stands below a cell, else behind it in brackets.
    """
    made = table.Table(**looks)
    for column, is_text in shown.heads:
        title = f"{column.title}\n{column.unit}" if column.unit else column.title
        made.add_column(title, justify="left" if is_text else "right")
    for place, row in enumerate(shown.body):
        lines = [f"{cell.text}\n{cell.below}" if is_stacked else cell.line for cell in row]
        made.add_row(*map(str.rstrip, lines), style=styles[place] if styles else "")
    return made


def require_no_damage(damaged: Sequence[str]) -> None:
    """Raises ValueError with the reasons, once all that is sound has been shown or written."""
    if damaged:
        more = len(damaged) - SHOWN_REASONS
        rest = [f"and {more} more: rote doctor --outputs"] if more > 0 else []
        raise ValueError("; ".join([*damaged[:SHOWN_REASONS], *rest]))


@contextmanager
def silence(*, is_wanted: bool) -> Iterator[None]:
    """Sets ROTE_QUIET until the block ends; `print_json` still prints."""
    if not is_wanted or QUIET in os.environ:
        yield
        return
    os.environ[QUIET] = "1"
    try:
        yield
    finally:
        del os.environ[QUIET]
