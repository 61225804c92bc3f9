"""This module keeps Python processes that we start from importing files of the current folder.

``python -m`` puts the current folder first on the import path: a random.py that lies there would be
imported in the place of Python's own. With PYTHONSAFEPATH, Python leaves it out; what PYTHONPATH
names stays importable.
"""

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
