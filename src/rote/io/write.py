"""Write files atomically: write a temporary file in the same folder, fsync, rename once."""

import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` atomically; after a crash it holds the old bytes or the new ones."""
    write_with(path, lambda beside: beside.write_bytes(data))


def write_with(path: Path, write: Callable[[Path], object]) -> None:
    """Replace ``path`` atomically with a library that writes to the path it receives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    require_replaceable(path)
    with _beside(path) as beside:
        write(beside)
        _sync(beside)
        beside.replace(path)


def require_replaceable(path: Path) -> None:
    """Raises ValueError with a remedy if ``path`` is a folder: a file is to be written there."""
    if path.is_dir() and not path.is_symlink():
        raise ValueError(f"{path} is a folder, a file is to be written there: move it away")


def write_named_by_digest(folder: Path, stem: str, dump: Callable[[Any], None]) -> Path:
    """Stream ``dump`` into ``folder/stem.<sha256>``: the file appears complete or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with _beside(folder / stem) as beside:
        with beside.open("xb") as stream:
            dump(stream)
        _sync(beside)
        path = folder / f"{stem}.{sha256_of_file(beside)}"
        beside.replace(path)
    return path


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `readable_json` as `write_bytes` does."""
    write_bytes(path, readable_json(value))


def readable_json(value: Any) -> bytes:
    """Return indented JSON that ends with a line break; refuses NaN, which is not JSON."""
    return f"{json.dumps(value, indent=1, allow_nan=False)}\n".encode()


def is_lfs_pointer(head: bytes) -> bool:
    """Return whether this is the start of a git-lfs pointer, left by a clone without git-lfs."""
    return head.startswith(b"version https://git-lfs.github.com/spec/")


def canonical_json(value: Any) -> str:
    """Return one text per value, whatever the order of its keys, as input for digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def named_by_digest(name: str, asked: Any) -> str:
    """Return a folder name from a digest: equal requests, and only they, share a name."""
    return f"{name}-{sha256(canonical_json(asked).encode())[:8]}"


def sha256(data: bytes) -> str:
    """Return the hex digest."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the hex digest of a file, which is read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_writable(folder: Path) -> Path:
    """Create ``folder`` and check that it accepts a file; raises ValueError naming it otherwise."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise ValueError(
            f"cannot write to the outputs folder {folder} ({error.strerror}): "
            "set ROTE_OUTPUTS to a folder you can write to"
        ) from error


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Yield a path in the same folder, which is synced then; after an error no file is left."""
    beside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield beside
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
