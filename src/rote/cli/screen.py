"""The terminal, or a pipe: what is printed to a pipe is not folded at 80 columns."""

from rich.console import Console

PIPE_COLUMNS = 200


def screen() -> Console:
    """Where commands print their results."""
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    return console
