"""What is printed, and where: results, what stands beside them, or one JSON document instead."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

PIPE_COLUMNS = 200
QUIET = "ROTE_QUIET"  # set: nothing but errors and JSON that was asked for


def screen() -> Console:
    """Where commands print their results; in a pipe they are not folded at 80 columns."""
    console = Console(highlight=False, soft_wrap=False, quiet=QUIET in os.environ)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    return console


def aside() -> Console:
    """Standard error, for how far something is: results may go to a file meanwhile."""
    return Console(stderr=True, quiet=QUIET in os.environ)


def print_json(value: Any) -> None:
    """The one document on standard output, --quiet or not; refuses NaN, which is not JSON."""
    sys.stdout.write(json.dumps(value, indent=1, allow_nan=False) + "\n")


@contextmanager
def silence(*, is_wanted: bool) -> Iterator[None]:
    """Until the block ends, as if ROTE_QUIET were set; what JSON was asked for is still printed."""
    if not is_wanted or QUIET in os.environ:
        yield
        return
    os.environ[QUIET] = "1"
    try:
        yield
    finally:
        del os.environ[QUIET]
