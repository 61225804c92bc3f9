"""Finished work on disk: one small file a piece, whole or not there at all."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rote.io.read import open_regular
from rote.io.write import write_with

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class PartialResults:
    """Those of one audit; a name is written once."""

    folder: Path

    def read(self, name: str) -> dict[str, np.ndarray] | None:
        """None where it was not finished, or its file was damaged since."""
        try:
            with open_regular(self._path(name)) as stream:
                return dict(np.load(stream, allow_pickle=False))
        except Exception:  # zip, zlib and numpy raise a dozen kinds for bytes at random
            return None

    def write(self, name: str, arrays: Arrays) -> None:
        """Atomically."""

        def save(path: Path) -> None:
            with path.open("wb") as stream:
                np.savez(stream, allow_pickle=False, **arrays)  # type: ignore[arg-type]

        write_with(self._path(name), save)

    def forget(self) -> None:
        """Once everything was put together."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"
