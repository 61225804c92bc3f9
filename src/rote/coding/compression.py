"""Compress a file with the model of a finished run, and restore it.

General compressors at settings near their best give sizes to compare with.
"""

import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
import zstandard

from rote.coding import container
from rote.coding.coder import OtherProbabilities, TokenWindows, decode, encode
from rote.coding.container import MOST_AT_ONCE, WORD, Header, StoredContent, pack
from rote.config.build import build
from rote.core.progress import Progress
from rote.io.write import sha256, sha256_of_file
from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder
from rote.models.decoder import sequences_at_once
from rote.run.weights import load_trained


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """A compressed file and its sizes."""

    file: bytes
    content_bytes: int
    code_bytes: int  # without header and checksum
    claimed_bits: float  # -log2 p of the tokens under the model


def compress(
    folder: RunFolder, content: bytes | None, *, name: str, progress: Progress
) -> tuple[bytes, Compressed]:
    """Compress ``content``, or the run's training set as .npy if it is None; return it, too.

    Raises ValueError if the run's task has no tokens for the content, or the run kept no model.
    """
    model, task, spec = load_trained(folder)
    if content is None:
        sequences = task.train(spec.what["seed"])
        tokens_NL = sequences.tokens(torch.arange(sequences.num_sequences)).numpy()
        # In the smallest integer type, so that other compressors save no padding zeros.
        content = container.npy(tokens_NL.astype(np.min_scalar_type(task.vocab_size - 1)))
        read = container.array(content, task.vocab_size, name)
    else:
        read = container.read(content, task, name)
    at_once = sequences_at_once(model, length=task.length, vocab_size=task.vocab_size)
    windows = TokenWindows(
        num_tokens=len(read.tokens_N), length=task.length, at_once=min(MOST_AT_ONCE, at_once)
    )
    threads = spec.how["host"]["threads"]
    with _as_trained(spec, threads):
        encoded = encode(model, read.tokens_N, windows, progress)
    header = Header(
        run_id=folder.run_id,
        weights_sha256=sha256_of_file(folder.weights_path),
        corpus=spec.what["task"].get("corpus"),
        kind=read.kind,
        shape=read.shape,
        content_bytes=len(content),
        content_sha256=sha256(content),
        num_tokens=windows.num_tokens,
        window_tokens=windows.length,
        num_windows=windows.number,
        windows_at_once=windows.at_once,
        threads=threads,
        made_with=_made_with(),
    )
    return content, Compressed(
        file=pack(header, encoded.words),
        content_bytes=len(content),
        code_bytes=len(encoded.words) * WORD.itemsize,
        claimed_bits=encoded.claimed_bits,
    )


def decompress(
    folder: RunFolder, header: Header, words: np.ndarray, *, progress: Progress
) -> bytes:
    """Return the original content; raises ValueError if this run's model cannot restore it."""
    model, task, spec = load_trained(folder)
    if sha256_of_file(folder.weights_path) != header.weights_sha256:
        raise ValueError(f"{folder.weights_path} is not the model that the file was made with")
    windows = TokenWindows(
        num_tokens=header.num_tokens, length=header.window_tokens, at_once=header.windows_at_once
    )
    if windows.length > task.length:
        raise ValueError(f"the model of run {folder.run_id} has no windows of {windows.length}")
    try:
        with _as_trained(spec, header.threads):
            tokens_N = decode(model, words, windows, progress)
        content = container.write(
            StoredContent(kind=header.kind, tokens_N=tokens_N, shape=header.shape), task
        )
        if sha256(content) != header.content_sha256:
            raise OtherProbabilities
    except OtherProbabilities as error:
        raise ValueError(_other_probabilities(header)) from error
    except MemoryError as error:
        raise ValueError(f"{windows.num_tokens:,} tokens do not fit into the memory") from error
    return content


@contextmanager
def _as_trained(spec: Spec, threads: int) -> Iterator[None]:
    """Use the run's number format and thread count, so that sums are taken in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with build(spec.what["precision"]).active("cpu"):
            yield
    finally:
        torch.set_num_threads(before)


def _other_probabilities(header: Header) -> str:
    here = _made_with()
    differing = [
        f"{key} {there} there, {here.get(key)} here"
        for key, there in header.made_with.items()
        if here.get(key) != there
    ]
    return (
        "the model computes other probabilities here than where the file was made: "
        f"{'; '.join(differing) or 'the versions are the same, the processor may not be'}"
    )


def _made_with() -> dict[str, str]:
    return {
        "torch": torch.__version__,
        "constriction": version("constriction"),
        "processor": torch.backends.cpu.get_cpu_capability(),
    }


ZLIB_LEVEL = 9
XZ_PRESET = 9 | lzma.PRESET_EXTREME
ZSTD_LEVEL = 22


def sizes_in_bytes(content: bytes) -> dict[str, int]:
    """Return the size under each compressor, with its own header and checksum."""
    return {
        f"zlib -{ZLIB_LEVEL}": len(zlib.compress(content, ZLIB_LEVEL)),
        "xz -9e": len(lzma.compress(content, preset=XZ_PRESET)),
        f"zstd -{ZSTD_LEVEL}": len(zstandard.compress(content, ZSTD_LEVEL)),
    }
