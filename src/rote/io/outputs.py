"""Locate the outputs folder (``ROTE_OUTPUTS``, or ``outputs``) and check names inside it."""

import os
from pathlib import Path

OUTPUTS_VARIABLE = "ROTE_OUTPUTS"
MOST_BYTES = 200  # per name; file systems allow 255, and suffixes are added


def outputs_folder() -> Path:
    """Return ``ROTE_OUTPUTS``, or ``outputs`` in the current folder, as an absolute path."""
    return Path(os.environ.get(OUTPUTS_VARIABLE) or "outputs").absolute()


def below(folder: Path, what: str, name: object) -> Path:
    """Return ``folder / name`` if the name is a single part of a path.

    Raises ValueError, calling it ``what``, for any other name: empty, dots, a path, control
    characters, or more than `MOST_BYTES` bytes.
    """
    is_name = (
        isinstance(name, str)
        and name not in ("", ".", "..")
        and "/" not in name
        and name.isprintable()
        and len(name.encode()) <= MOST_BYTES
    )
    if not is_name:
        shown = repr(name) if len(repr(name)) <= 80 else f"{repr(name)[:80]}..."
        raise ValueError(f"{what} must be a name without slashes, got {shown}")
    return folder / str(name)
