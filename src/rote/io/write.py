"""Whole files or none: write beside, fsync, rename once."""

import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_bytes(path: Path, data: bytes) -> None:
    """Replace ``path`` atomically; after a crash it holds the old bytes or the new ones."""
    write_with(path, lambda beside: beside.write_bytes(data))


def write_with(path: Path, write: Callable[[Path], object]) -> None:
    """As `write_bytes`, for a library that writes a file itself, to the path it is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    require_replaceable(path)
    beside = _beside(path)
    try:
        write(beside)
        with beside.open("rb") as stream:
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def require_replaceable(path: Path) -> None:
    """Raises ValueError naming the way out where a folder lies in the place of a file."""
    if path.is_dir() and not path.is_symlink():
        raise ValueError(f"{path} is a folder, a file is to be written there: move it away")


def write_named_by_digest(folder: Path, stem: str, dump: Callable[[Any], None]) -> Path:
    """Stream ``dump`` into ``folder/stem.<sha256>``: whole under that name, or not there at all."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = _beside(folder / stem)
    try:
        with beside.open("xb") as stream:
            dump(stream)
            stream.flush()
            os.fsync(stream.fileno())
        path = folder / f"{stem}.{sha256_of_file(beside)}"
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(folder)
    return path


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """`write_bytes` of `readable_json`."""
    write_bytes(path, readable_json(value))


def readable_json(value: Any) -> bytes:
    """Indented, with a last line's end; refuses NaN, which is not JSON."""
    return f"{json.dumps(value, indent=1, allow_nan=False)}\n".encode()


def is_lfs_pointer(head: bytes) -> bool:
    """Whether a file begins as what a clone without git-lfs leaves in place of the real one."""
    return head.startswith(b"version https://git-lfs.github.com/spec/")


def canonical_json(value: Any) -> str:
    """One text per value, whatever the order of its keys: what digests are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def named_by_digest(name: str, asked: Any) -> str:
    """A folder's name for what was asked: the same again gives the same one, all else another."""
    return f"{name}-{sha256(canonical_json(asked).encode())[:8]}"


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Hex digest, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_writable(folder: Path) -> Path:
    """Make ``folder`` and prove that it takes a file; raises ValueError naming it otherwise."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise ValueError(
            f"cannot write to the outputs folder {folder} ({error.strerror}): "
            "set ROTE_OUTPUTS to a folder you can write to"
        ) from error


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
