"""This module lets Python import modules of a folder that the user chose, after all others.

The folder is not put on `sys.path`: a random.py or a hydra_plugins/ that lies in it would be found
there. A finder at the end of `sys.meta_path` is asked for the names that nothing else provides.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType


class _Finder(MetaPathFinder):
    """Finds top-level modules in folders; what lies inside of a package, its own path finds."""

    def __init__(self) -> None:
        self.folders: list[Path] = []

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None where no folder holds it."""
        if path is not None:
            return None
        return next(filter(None, (_spec_in(folder, fullname) for folder in self.folders)), None)


_finder = _Finder()


def import_from(folder: Path) -> None:
    """From now on, import from ``folder`` what is found nowhere else."""
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)
    if folder not in _finder.folders:
        _finder.folders.append(folder)
        importlib.invalidate_caches()  # its files may be younger than the last look


def folders_imported_from() -> tuple[Path, ...]:
    """The folders that `import_from` was called with, in this process."""
    return tuple(_finder.folders)


def is_module_of(folder: Path, target: str) -> bool:
    """Whether the top-level module of a dotted ``target`` lies in ``folder`` and nowhere else.

    A folder without an ``__init__.py`` is no module here: one called ``datasets`` would look like
    the package to whoever asks whether that is installed.
    """
    name = target.partition(".")[0]
    own = _spec_in(folder, name) if name.isidentifier() else None
    if own is None:
        return False
    found = _found(name)
    return found is None or found.origin == own.origin


def is_importable(target: str) -> bool:
    """Whether the top-level module of a dotted ``target`` is found; nothing is imported."""
    name = target.partition(".")[0]
    return name in sys.modules or (name.isidentifier() and _found(name) is not None)


def _found(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except ValueError:  # __main__ and the like have no spec; they are there all the same
        return ModuleSpec(name, None)


def _spec_in(folder: Path, name: str) -> ModuleSpec | None:
    spec = PathFinder.find_spec(name, [str(folder)])
    return spec if spec is not None and spec.loader is not None else None
