"""This module keeps Python processes that we start from importing files of the current folder.

``python -m`` puts the current folder first on the import path: a random.py that lies there would be
imported in the place of Python's own. With PYTHONSAFEPATH, Python leaves it out; what PYTHONPATH
names stays importable.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

SAFE_PATH_VARIABLE = "PYTHONSAFEPATH"


def isolate_children() -> None:
    """From now on, for every process that this one starts."""
    os.environ[SAFE_PATH_VARIABLE] = "1"


@contextmanager
def isolated_children() -> Iterator[None]:
    """While the block lasts: for callers whose process is not ours alone, such as a notebook."""
    before = os.environ.get(SAFE_PATH_VARIABLE)
    isolate_children()
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH_VARIABLE]
        else:
            os.environ[SAFE_PATH_VARIABLE] = before
