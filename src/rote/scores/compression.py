"""Zlib: log-perplexity against what a general compressor needs (Carlini et al. 2021, 2012.07805).

The paper's ratio is zlib's size over the logarithm of the perplexity, which is the MEAN loss per
token; mimir (Duan et al. 2024, arXiv 2402.07841) and Min-K%++ (2404.02936) divide that mean by the
size. All rank alike. The sum of the loss over the size is another score: it forgets the length.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from rote.scores.documents import Documents, Floats, Integers


def zlib_bytes(texts: Sequence[bytes]) -> Integers:
    """Compressed size of each text at zlib's default level; 8 for an empty one."""
    return np.array([len(zlib.compress(text)) for text in texts], dtype=np.int64)


def zlib_ratio(documents: Documents) -> Floats:
    """Mean ln p of a token over the document's compressed bytes, nats per token and byte; [B].

    Raises ValueError for documents that carry no compressed sizes.
    """
    if documents.zlib_bytes_B is None:
        raise ValueError("the zlib score needs the text of each document, and none was given")
    return -documents.nats_per_token_B / documents.zlib_bytes_B
