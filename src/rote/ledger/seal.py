"""Write and check seal.json: size and SHA-256 of a run's files, written just before the record.

Equal runs have equal records but different circumstances, so digests are in a file of their own. It
also holds the digest of the record, and a checksum of itself.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rote.io.read import Damaged, json_of
from rote.io.shapes import keyed, mapped, text, whole
from rote.io.write import canonical_json, sha256, sha256_of_file, write_json
from rote.ledger.archive import read_bytes, sha256_of

NAME, RECORD = "seal.json", "record.json"
NAMES = (
    "spec.yaml", "curve.jsonl", "arrays.npz", "circumstances.json", "manifest.json",
    "model.safetensors", "looks.npz",
)  # fmt: skip
MOST_BYTES_IN_PASSING = 1 << 26  # `rote status` reads at most this if a copy lost the files' times
VERSION = 1
REPAIR = "rote repair NAME of its sweep trains the run anew"
SHAPE = keyed(
    {
        "version": whole,
        "run_id": text,
        "files": mapped(keyed({"bytes": whole, "sha256": text})),
    }
)
States = Mapping[str, os.stat_result | None]  # by the file's name; None: it is not there
SEEN: dict[Path, tuple[object, ...]] = {}  # the `stamp` of a run's files when they were intact


@dataclass(frozen=True)
class Seal:
    """The digests and sizes of one finished run's files."""

    folder: Path
    files: Mapping[str, Mapping[str, Any]]
    written_ns: int  # time of the seal

    def require(self, name: str, data: bytes) -> None:
        """Raises Damaged if ``data`` is not what was written to this file."""
        self._require_digest(name, sha256(data))

    def require_file(self, name: str) -> None:
        """Check a file as `require` does, reading it in pieces."""
        path = self.folder / name
        try:
            digest = sha256_of(path)
        except FileNotFoundError:
            raise Damaged(path, "it is missing", REPAIR) from None
        self._require_digest(name, digest)

    def require_all(self, seen: "States", *, thorough: bool) -> None:
        """Raises Damaged for the first file that has changed.

        Unless ``thorough``, a file of the right size in ``seen`` counts as intact without being
        read if it was last written before the seal, or if it is large.
        """
        for name in self.files:
            if thorough or not self._looks_sound(name, seen.get(name)):
                self.require_file(name)

    def _looks_sound(self, name: str, seen: os.stat_result | None) -> bool:
        if seen is None:
            return False
        is_whole = stat.S_ISREG(seen.st_mode) and seen.st_size == self.files[name]["bytes"]
        return is_whole and (
            seen.st_mtime_ns < self.written_ns or seen.st_size > MOST_BYTES_IN_PASSING
        )

    def _require_digest(self, name: str, digest: str) -> None:
        if name not in self.files or self.files[name]["sha256"] != digest:
            reason = "it is not what the run wrote (SHA-256 differs)"
            raise Damaged(self.folder / name, reason, REPAIR)


def write_seal(folder: Path, record: bytes) -> None:
    """Seal the existing files and the record, which is written next."""
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of_file(folder / name)}
        for name in NAMES
        if (folder / name).exists()
    }
    files[RECORD] = {"bytes": len(record), "sha256": sha256(record)}
    content = {"version": VERSION, "run_id": folder.name, "files": files}
    whole_content = {"sha256": sha256(canonical_json(content).encode()), **content}
    write_json(folder / NAME, whole_content)


def read_seal(folder: Path) -> Seal | None:
    """Read the seal; None if there is none; raises Damaged."""
    seen = _state(f"{folder}/{NAME}")
    try:
        if seen is None:  # it is in a shard
            return _parsed(folder, read_bytes(folder / NAME), 0)
        return _read(folder, seen.st_mtime_ns, seen.st_size, seen.st_ino)
    except FileNotFoundError:
        return None


@lru_cache(maxsize=8)  # a run's files are read one after another
def _read(folder: Path, written_ns: int, _size: int, _inode: int) -> Seal:
    return _parsed(folder, read_bytes(folder / NAME), written_ns)


@lru_cache(maxsize=8)
def _parsed(folder: Path, data: bytes, written_ns: int) -> Seal:
    path = folder / NAME
    content = json_of(data, path, SHAPE, REPAIR)
    digest = content.pop("sha256", None)
    if digest != sha256(canonical_json(content).encode()) or RECORD not in content["files"]:
        raise Damaged(path, "its checksum does not match its content", REPAIR)
    if content["run_id"] != folder.name:
        raise Damaged(path, f"it belongs to run {content['run_id']}", REPAIR)
    if strange := sorted(set(content["files"]) - {*NAMES, RECORD}):
        raise Damaged(path, f"a run has no file {strange[0]!r}", REPAIR)
    return Seal(folder, content["files"], written_ns)


def sound_bytes(folder: Path, name: str) -> bytes:
    """Return a file of a finished run; raises Damaged if it is not what the run wrote."""
    try:
        data = read_bytes(folder / name)
    except FileNotFoundError:
        raise Damaged(folder / name, "it is missing", REPAIR) from None
    if sealed := read_seal(folder):
        sealed.require(name, data)
    return data


def states(folder: Path) -> States:
    """Return what the file system says of each file that a run can have; reads none.

    Nothing without a record: the run is in an archive, or not done.
    """
    if (record := _state(f"{folder}/{RECORD}")) is None:
        return {}
    others = {name: _state(f"{folder}/{name}") for name in (*NAMES, NAME)}
    return {**others, RECORD: record}


def stamp(seen: States) -> tuple[object, ...]:
    """Return a value that changes when a file does."""
    return tuple([each and (each.st_mtime_ns, each.st_size, each.st_ino) for each in seen.values()])


def _state(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 (nine paths a run: pathlib takes three times as long)
    except OSError:
        return None
