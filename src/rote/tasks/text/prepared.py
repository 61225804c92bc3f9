"""Read prepared text: windows of tokens in one memory-mapped file; no torch.

outputs/corpora/<corpus id>/ holds manifest.json, tokens.bin (windows one after the other),
documents.bin (the document of each window) and, except at byte level, tokeniser.json. It appears
complete, by one rename. Shapes: N windows asked for, L tokens in each.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rote.io.outputs import below, outputs_folder
from rote.io.read import Damaged, open_regular, read_json
from rote.io.shapes import keyed, matching, whole
from rote.tasks.text.tokenisers import load

MANIFEST, TOKENS, DOCUMENTS = "manifest.json", "tokens.bin", "documents.bin"
DOCUMENT_TYPE = np.dtype("<u4")
PREPARE_AGAIN = "move its folder away, and the corpus is prepared again"
SHAPE = keyed(
    {
        "settings": keyed({"length": whole}),
        "vocab_size": whole,
        "dtype": matching("<u[24]", "a type of whole numbers"),
        "counts": keyed({"windows": whole, "exact_duplicates_removed": whole}),
    }
)


def corpora_folder() -> Path:
    """Return the folder of all prepared corpora, beside the runs."""
    return outputs_folder() / "corpora"


def is_prepared(corpus: str) -> bool:
    """Return whether a corpus exists; reads no file."""
    return os.path.lexists(corpora_folder() / corpus / MANIFEST)


def open_prepared(corpus: str) -> "Prepared":
    """Open a corpus; raises ValueError if it is not prepared, or its files are damaged."""
    folder = below(corpora_folder(), "task.corpus", corpus)
    try:
        manifest = read_json(folder / MANIFEST, SHAPE, PREPARE_AGAIN)
    except FileNotFoundError as error:
        raise ValueError(f"corpus {corpus!r} is not prepared in {corpora_folder()}") from error
    counts = manifest["counts"]
    prepared = Prepared(
        folder=folder,
        manifest=manifest,
        length=manifest["settings"]["length"],
        vocab_size=manifest["vocab_size"],
        num_windows=counts["windows"],
        num_duplicates=counts["exact_duplicates_removed"],
        dtype=np.dtype(manifest["dtype"]),
    )
    token_bytes = prepared.length * prepared.dtype.itemsize
    for name, size in ((TOKENS, token_bytes), (DOCUMENTS, DOCUMENT_TYPE.itemsize)):
        _require_bytes(folder / name, prepared.num_windows * size)
    return prepared


def _require_bytes(path: Path, wanted: int) -> None:
    """Raises Damaged for a missing file or one of another size."""
    try:
        with open_regular(path) as stream:
            found = stream.seek(0, 2)
    except FileNotFoundError:
        raise Damaged(path, "it is missing", PREPARE_AGAIN) from None
    if found != wanted:
        raise Damaged(path, f"{found:,} bytes, not {wanted:,}", PREPARE_AGAIN)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A prepared corpus; a sample id is the number of a window in it."""

    folder: Path
    manifest: dict[str, Any]  # source, tokeniser, settings, counts, digests
    length: int  # tokens of a window
    vocab_size: int  # of the tokeniser, unused symbols included
    num_windows: int  # without duplicates
    num_duplicates: int  # windows that were removed because an equal one came before
    dtype: np.dtype  # of stored tokens

    @property
    def corpus(self) -> str:
        """Return its content hash."""
        return self.folder.name

    def tokens(self, ids: np.ndarray) -> np.ndarray:
        """Return windows by sample id, int64 [N, L]."""
        return self._tokens_NL[ids].astype(np.int64)

    def text(self, ids: np.ndarray) -> list[str]:
        """Return windows by sample id as text; a character that is cut becomes U+FFFD."""
        return load(self.folder).decode(self.tokens(ids))

    def documents(self) -> np.ndarray:
        """Return the document number of each window of the corpus."""
        return np.fromfile(self.folder / DOCUMENTS, DOCUMENT_TYPE)

    @cached_property
    def _tokens_NL(self) -> np.ndarray:
        return np.memmap(self.folder / TOKENS, self.dtype, mode="r").reshape(-1, self.length)
