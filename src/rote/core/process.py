"""Set the environment of child Python processes and the memory allocator of this process.

``python -m`` puts the current folder first on the import path, so a random.py in that folder would
shadow Python's own module. PYTHONSAFEPATH makes Python leave the folder out; the folders of
PYTHONPATH stay importable.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

SAFE_PATH_VARIABLE = "PYTHONSAFEPATH"
PATH_VARIABLE = "PYTHONPATH"  # an empty entry would be the current folder


def isolate_children() -> None:
    """Set PYTHONSAFEPATH for all processes that this process starts from now on."""
    os.environ[SAFE_PATH_VARIABLE] = "1"


@contextmanager
def isolated_children(*importable: str) -> Iterator[None]:
    """Set PYTHONSAFEPATH inside the block only, for a caller that shares its process (a notebook).

    Child processes search the folders ``importable`` for modules before those of PYTHONPATH.
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
    """Make glibc's malloc keep freed blocks for the next training step.

    By default malloc returns large blocks to the system after each step, and every page of the next
    step's tensors faults again: 6,400 faults a step with 535K parameters and 1,024 tokens, 36,000
    with 4,096 tokens, which took 6 to 20 % of the step. On other systems (musl, macOS) this does
    nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, NEVER_TRIM)
