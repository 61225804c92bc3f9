"""Pack named arrays into the bytes of an .npz file, and read them back without unpickling."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rote.io.read import Damaged


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the bytes of an .npz file; raises ValueError for an array of Python objects."""
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def unpacked(data: bytes, path: Path, remedy: str) -> dict[str, np.ndarray]:
    """Return the arrays in the bytes of ``path``; raises Damaged."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return dict(stored)
    except Exception as error:  # zip, zlib and numpy raise a dozen types for random bytes
        raise Damaged(path, error, remedy) from error
