"""Zlib: likelihood against what a general compressor needs (Carlini et al. 2021, 2012.07805)."""

import zlib
from collections.abc import Sequence

import numpy as np

from rote.scores.documents import Documents, Floats, Integers


def zlib_bytes(texts: Sequence[bytes]) -> Integers:
    """Compressed size of each text at zlib's default level; 8 for an empty one."""
    return np.array([len(zlib.compress(text)) for text in texts], dtype=np.int64)


def zlib_ratio(documents: Documents) -> Floats:
    """ln p of the document over its compressed bytes, nats per byte.

    Raises ValueError for documents that carry no compressed sizes.
    """
    if documents.zlib_bytes_B is None:
        raise ValueError("the zlib score needs the text of each document, and none was given")
    return documents.log_likelihood_B / documents.zlib_bytes_B
