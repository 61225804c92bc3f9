"""What the two directions of coding a file ask for and show alike."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import track


def require_new(output: str, *, force: bool) -> None:
    """Raises ValueError where a file would be lost, or where none can be written."""
    path = Path(output)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ValueError(f"{output} cannot be written: give a file in a folder that takes it")
    if path.exists() and not force:
        raise ValueError(f"{output} exists: --force replaces it")


@contextmanager
def needs_extra() -> Iterator[None]:
    """Raises ValueError where the coder is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(f"{error.name} is not installed: pip install 'rote[compress]'") from error


def watch(what: str) -> Callable[[Sequence[range]], Iterable[range]]:
    """A progress bar on a terminal; results go to standard output, so it stays out of there."""
    console = Console(stderr=True)
    return lambda batches: track(
        batches, description=what, console=console, disable=not console.is_terminal, transient=True
    )
