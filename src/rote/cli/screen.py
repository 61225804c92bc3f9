"""Print results and errors, or one JSON document instead."""

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
QUIET = "ROTE_QUIET"  # if set, only errors and requested JSON are printed


class Failed(RuntimeError):
    """A valid request that failed: one line, exit code 1."""


class Screen(Console):
    """A console that prints text literally: no markup, no emoji, no terminal escapes.

    Questions, names, reasons and logs come from files that others may have written.
    """

    def render_str(self, text: str, **looks: Any) -> Text:
        """Render as rich does, but without control characters."""
        return super().render_str(printable(text), **{**looks, "markup": False, "emoji": False})

    def say(self, text: object, *, style: str = "") -> None:
        """Print one line, which no screen folds: a path or a sentence can be copied whole."""
        self.print(str(text), style=style, soft_wrap=True)


def screen() -> Screen:
    """Return the console for results, which does not fold at 80 columns in a pipe."""
    console = Screen(highlight=False, soft_wrap=False, quiet=QUIET in os.environ)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    return console


def aside() -> Screen:
    """Return standard error for progress, since results may go to a file."""
    return Screen(stderr=True, quiet=QUIET in os.environ)


def errors() -> Screen:
    """Return standard error for errors, one line each."""
    return Screen(stderr=True, soft_wrap=True, highlight=False)


def print_json(value: Any) -> None:
    """Print the one JSON document, even under --quiet; refuses NaN, which is not JSON."""
    sys.stdout.write(json.dumps(value, indent=1, allow_nan=False) + "\n")


def grid(
    shown: "Table", *, styles: Sequence[str] = (), is_stacked: bool = False, **looks: Any
) -> table.Table:
    """Return a page's table for the terminal, with a style for each row; rich takes ``looks``.

    ``is_stacked``: small print stands below a cell, otherwise behind it in brackets.
    """
    made = table.Table(**looks)
    for column, is_text in shown.heads:
        title = f"{column.title}\n{column.unit}" if column.unit else column.title
        made.add_column(title, justify="left" if is_text else "right")
    for place, row in enumerate(shown.body):
        lines = [f"{cell.text}\n{cell.below}" if is_stacked else cell.line for cell in row]
        made.add_row(*map(str.rstrip, lines), style=styles[place] if styles else "")
    return made


@contextmanager
def silence(*, is_wanted: bool) -> Iterator[None]:
    """Set ROTE_QUIET until the block ends; `print_json` still prints."""
    if not is_wanted or QUIET in os.environ:
        yield
        return
    os.environ[QUIET] = "1"
    try:
        yield
    finally:
        del os.environ[QUIET]
