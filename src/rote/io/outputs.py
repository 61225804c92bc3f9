"""Where everything that runs leave behind lives: ``ROTE_OUTPUTS``, or ``outputs``."""

import os
from pathlib import Path

OUTPUTS_VARIABLE = "ROTE_OUTPUTS"
MOST_BYTES = 200  # of a name; a file system takes 255, and suffixes are added


def outputs_folder() -> Path:
    """``ROTE_OUTPUTS``, or ``outputs`` in the current folder."""
    return Path(os.environ.get(OUTPUTS_VARIABLE) or "outputs").absolute()


def below(folder: Path, what: str, name: object) -> Path:
    """``folder / name``, where the name is a single part of a path.

    Raises ValueError, calling it ``what``, for anything that would lead elsewhere: an empty name,
    dots, a path, control characters.
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
