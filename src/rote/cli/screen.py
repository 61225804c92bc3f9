"""The terminal, or a pipe: what is printed to a pipe is not folded at 80 columns."""

import os

from rich.console import Console

PIPE_COLUMNS = 200
QUIET = "ROTE_QUIET"  # set: nothing but errors and JSON that was asked for


def screen() -> Console:
    """Where commands print their results."""
    console = Console(highlight=False, soft_wrap=False, quiet=QUIET in os.environ)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    return console
