"""What this process sets for itself and for the Python processes that it starts.

``python -m`` puts the current folder first on the import path: a random.py that lies there would be
imported in the place of Python's own. With PYTHONSAFEPATH, Python leaves it out; what PYTHONPATH
names stays importable.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

SAFE_PATH_VARIABLE = "PYTHONSAFEPATH"
PATH_VARIABLE = "PYTHONPATH"  # an empty entry would be the current folder


def isolate_children() -> None:
    """From now on, for every process that this one starts."""
    os.environ[SAFE_PATH_VARIABLE] = "1"


@contextmanager
def isolated_children(*importable: str) -> Iterator[None]:
    """While the block lasts: for callers whose process is not ours alone, such as a notebook.

    The children find modules in the folders ``importable``, before those of PYTHONPATH.
    """
    folders = [*importable, *os.environ.get(PATH_VARIABLE, "").split(os.pathsep)]
    changed = {
        SAFE_PATH_VARIABLE: "1",
        PATH_VARIABLE: os.pathsep.join(folder for folder in folders if folder),
    }
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
LARGEST_KEPT_BYTES = 1 << 30
NEVER_TRIM = 2**31 - 1


def keep_freed_memory() -> None:
    """Ask glibc's malloc to hold on to freed blocks for the next step.

    By itself it gives large ones back to the system after each step, and every page of the next
    step's tensors faults anew: 6,400 faults a step of 535K parameters with 1,024 tokens, 36,000
    with 4,096, which took 6 to 20 % of the step. Elsewhere (musl, macOS) nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, NEVER_TRIM)
