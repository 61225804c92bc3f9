"""Prepare a corpus in stages; a killed preparation resumes where it was; no torch.

Shapes: N windows, L tokens in each.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from rote.core.progress import Progress
from rote.io.read import Damaged, read_json
from rote.io.shapes import anything, mapped
from rote.io.write import sha256, sha256_of_file, write_json
from rote.tasks.text.duplicates import WindowFile, exact_duplicates, near_duplicates
from rote.tasks.text.prepared import DOCUMENT_TYPE, DOCUMENTS, MANIFEST, TOKENS
from rote.tasks.text.recipe import Recipe
from rote.tasks.text.sources import Piece
from rote.tasks.text.tokenisers import Encoder, load

LOG = logging.getLogger(__name__)
BATCH_CHARACTERS = 1 << 22  # tokenised at once: a tokeniser's own objects grow with it
BATCH_PIECES = 1 << 16  # there may be millions of documents without text
SMALL_VOCABULARY = 1 << 16
STATE, READY, WHOLE = "progress.json", "encoder", "whole"


@dataclass(kw_only=True)
class Cutter:
    """Cuts one document after the other; its fields are the complete state for a resume.

    No window spans two documents; tokens left over at a document's end are dropped.
    """

    length: int
    windows: str  # all: one after the other; first: the first of each document
    document: int = 0  # the number of the current one
    num_of_document: int = 0  # windows taken from it so far
    carry: list[int] = field(default_factory=list)  # tokens that do not fill a window yet

    def add(self, tokens: np.ndarray, *, ends_document: bool) -> np.ndarray:
        """Return the windows [N, L] that are complete now."""
        if self.windows == "first" and self.num_of_document:
            tokens = tokens[:0]
        if self.carry:
            tokens = np.concatenate([np.array(self.carry, dtype=tokens.dtype), tokens])
        num_whole = len(tokens) // self.length
        if self.windows == "first":
            num_whole = min(num_whole, 1 - self.num_of_document)
        used = num_whole * self.length
        self.num_of_document += num_whole
        # Less than a window, or an unused rest after the first one.
        self.carry = tokens[used : used + self.length - 1].tolist()
        if ends_document:
            self.document, self.num_of_document, self.carry = self.document + 1, 0, []
        return tokens[:used].reshape(num_whole, self.length)


@dataclass
class FinishedStages:
    """Progress of tokenising; later parts of the files are cut off."""

    cutter: dict[str, Any]
    pieces: int = 0
    nulls: int = 0  # documents that are null in a source: they count as empty
    text_bytes: int = 0
    tokens: int = 0
    windows: int = 0
    text_digest: str = ""  # of the pieces so far, chained
    is_complete: bool = False


@dataclass(frozen=True, kw_only=True)
class PreparationPipeline:
    """A working folder beside the prepared corpora."""

    folder: Path
    recipe: Recipe

    def carry_out(self, progress: Progress) -> Path:
        """Do all that is not done yet; return the folder that is ready to be renamed.

        Raises ValueError for text that makes no window.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        encoder = self._encoder(progress)
        dtype = np.dtype("<u2" if encoder.vocab_size <= SMALL_VOCABULARY else "<u4")
        done = self._tokenise(encoder, dtype, progress)
        if not done.windows:
            raise ValueError(
                f"the corpus is empty: {done.cutter['document']:,} documents with "
                f"{done.tokens:,} tokens make no window of task.length={self.recipe.length}"
            )
        if done.nulls:
            LOG.warning(
                "%d of %d documents are null and count as empty: they make no window",
                done.nulls,
                done.cutter["document"],
            )
        return self._without_duplicates(encoder, dtype, done, progress)

    def _without_duplicates(
        self, encoder: Encoder, dtype: np.dtype, done: FinishedStages, progress: Progress
    ) -> Path:
        """Write the windows that are kept and their manifest; return their folder."""
        raw = WindowFile(path=self.folder / TOKENS, length=self.recipe.length, dtype=dtype)
        exact_N, threshold = exact_duplicates(raw, progress), self.recipe.near_duplicate_threshold
        near_N = np.zeros_like(exact_N)
        if threshold is not None:
            near_N = near_duplicates(raw, exact_N, threshold, progress)
        kept_N = ~(exact_N | near_N)
        whole = self.folder / WHOLE
        shutil.rmtree(whole, ignore_errors=True)  # from a session that was killed here
        whole.mkdir()
        encoder.save(whole)
        self._write_kept(whole, raw, kept_N, progress)
        counts = {
            "documents": done.cutter["document"],
            "null_documents": done.nulls,
            "bytes": done.text_bytes,
            "tokens": done.tokens,
            "tokens_outside_windows": done.tokens - done.windows * self.recipe.length,
            "exact_duplicates_removed": int(exact_N.sum()),
            "near_duplicates_removed": int(near_N.sum()),
            "windows": int(kept_N.sum()),
        }
        digests = {
            "text": done.text_digest,
            "vocabulary": encoder.vocabulary_digest(),
            "tokens": sha256_of_file(whole / TOKENS),
        }
        manifest = {
            "source": repr(self.recipe.source),
            "tokeniser": repr(self.recipe.tokeniser),
            "settings": self.recipe.settings(),
            "vocab_size": encoder.vocab_size,
            "dtype": dtype.str,
            "counts": counts,
            "digests": digests,
        }
        write_json(whole / MANIFEST, manifest)
        return whole

    def _encoder(self, progress: Progress) -> Encoder:
        ready = self.folder / READY
        if not (ready / STATE).exists():
            progress("training the tokeniser", 0, None)
            encoder = self.recipe.tokeniser.encoder(self.recipe.source.pieces())
            encoder.save(ready)
            progress("training the tokeniser", 1, 1)
            write_json(ready / STATE, {"vocab_size": encoder.vocab_size})
        return load(ready)

    def _tokenise(self, encoder: Encoder, dtype: np.dtype, progress: Progress) -> FinishedStages:
        done = self._done()
        total_bytes = self.recipe.source.total_bytes()
        left = islice(self.recipe.source.pieces(), done.pieces, None)
        paths = (self.folder / TOKENS, self.folder / DOCUMENTS)
        for path in paths:
            path.touch()
        with paths[0].open("r+b") as tokens_file, paths[1].open("r+b") as documents_file:
            _cut_back(tokens_file, done.windows * self.recipe.length * dtype.itemsize)
            _cut_back(documents_file, done.windows * DOCUMENT_TYPE.itemsize)
            for batch in [] if done.is_complete else _batches(left):
                windows_NL, documents_N = _add(batch, encoder, done)
                tokens_file.write(windows_NL.astype(dtype).tobytes())
                documents_file.write(documents_N.tobytes())
                _sync(tokens_file)
                _sync(documents_file)
                write_json(self.folder / STATE, asdict(done))
                progress("tokenising text", done.text_bytes, total_bytes)
        done.is_complete = True
        write_json(self.folder / STATE, asdict(done))
        return done

    def _done(self) -> FinishedStages:
        """Return the progress so far; raises Damaged if it cannot be resumed."""
        state = self.folder / STATE
        remedy = f"move {self.folder} away, and the corpus is prepared from its beginning"
        try:
            return FinishedStages(**read_json(state, mapped(anything), remedy))
        except FileNotFoundError:
            cutter = Cutter(length=self.recipe.length, windows=self.recipe.windows)
            return FinishedStages(cutter=asdict(cutter))
        except TypeError as error:
            raise Damaged(state, error, remedy) from error

    def _write_kept(
        self, whole: Path, raw: WindowFile, kept_N: np.ndarray, progress: Progress
    ) -> None:
        with (whole / TOKENS).open("xb") as stream:
            for place, part_PL in raw.parts("writing windows", progress):
                stream.write(part_PL[kept_N[place]].tobytes())
            _sync(stream)
        documents_N = np.fromfile(self.folder / DOCUMENTS, DOCUMENT_TYPE)
        with (whole / DOCUMENTS).open("xb") as stream:
            stream.write(documents_N[kept_N].tobytes())
            _sync(stream)


def _batches(pieces: Iterator[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece.text)
        if size >= BATCH_CHARACTERS or len(batch) >= BATCH_PIECES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _add(
    batch: list[Piece], encoder: Encoder, done: FinishedStages
) -> tuple[np.ndarray, np.ndarray]:
    """Return the windows [N, L] of a batch and the document [N] of each; updates ``done``."""
    cutter = Cutter(**done.cutter)
    windows, documents = [], []
    for piece, tokens in zip(batch, encoder.encode([one.text for one in batch]), strict=True):
        document = cutter.document
        cut_NL = cutter.add(tokens, ends_document=piece.ends_document)
        windows.append(cut_NL)
        documents.append(np.full(len(cut_NL), document, dtype=DOCUMENT_TYPE))
        done.nulls += piece.is_null
        done.tokens += len(tokens)
        data = piece.text.encode()
        done.text_bytes += len(data)
        done.text_digest = sha256(f"{done.text_digest}{piece.ends_document}".encode() + data)
    done.cutter = asdict(cutter)
    done.pieces += len(batch)
    windows_NL, documents_N = np.concatenate(windows), np.concatenate(documents)
    done.windows += len(windows_NL)
    return windows_NL, documents_N


def _cut_back(stream: IO[bytes], size: int) -> None:
    stream.truncate(size)
    stream.seek(size)


def _sync(stream: IO[bytes]) -> None:
    stream.flush()
    os.fsync(stream.fileno())
