"""Where everything that runs leave behind lives: ``ROTE_OUTPUTS``, or ``outputs``."""

import os
from pathlib import Path

OUTPUTS_VARIABLE = "ROTE_OUTPUTS"


def outputs_folder() -> Path:
    """``ROTE_OUTPUTS``, or ``outputs`` in the current folder."""
    return Path(os.environ.get(OUTPUTS_VARIABLE) or "outputs").absolute()
