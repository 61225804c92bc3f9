"""What the two directions of coding a file ask for and show alike."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
