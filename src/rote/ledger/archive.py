"""Read the files of runs where `rote archive` has packed them: outputs/archives/<sweep>.<n>.zip.

A shard is a zip file without compression, so that `unzip` restores it without rote, and damage to
one member leaves the others readable. Its last member lists each run's files with their offsets; a
copy of it lies beside the shard, because a zip's own directory of 7,000 files takes longer to read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from rote.io import read
from rote.io.read import Damaged, json_of, open_regular
from rote.io.shapes import listed, mapped, whole
from rote.io.write import sha256, sha256_of_file

FOLDER, INDEX = "archives", "index.jsonl"
RESTORE = "rote archive NAME --restore of its sweep brings back what is sound"
ID_DIGITS = 16
FILES = mapped(listed(whole))  # name -> offset and size in bytes, modification time in Unix ns
UNTOUCHED = ("untouched",)
KNOWN: dict[Path, tuple[int, dict[str, "Packed"]]] = {}  # folder -> its time, runs when it was read


@dataclass(frozen=True)
class Packed:
    """One run in a shard; its line of the index is parsed when a file is read."""

    shard: Path
    files_json: bytes

    def files(self) -> Mapping[str, tuple[int, int, int]]:
        """Return offset, bytes and modification time in Unix ns by name; raises Damaged."""
        return _parsed(self.files_json, index_of(self.shard))

    def read(self, name: str) -> bytes:
        """Return one file; raises Damaged for a shard that is cut, FileNotFoundError without it."""
        files = self.files()
        if name not in files:
            raise FileNotFoundError(self.shard / name)
        offset, num_bytes, _ = files[name]
        try:
            with open_regular(self.shard) as stream:
                stream.seek(offset)
                data = stream.read(num_bytes)
        except FileNotFoundError:
            raise Damaged(self.shard, "it is missing", RESTORE) from None
        if len(data) != num_bytes:
            raise Damaged(self.shard, "its end is missing", RESTORE)
        return data

    def stamp(self) -> tuple[object, ...]:
        """Return `UNTOUCHED` if the shard was last written before its index, else its state."""
        try:
            shard, index = self.shard.stat(), index_of(self.shard).stat()
        except OSError:
            return ()
        is_older = shard.st_mtime_ns <= index.st_mtime_ns
        return UNTOUCHED if is_older else (shard.st_mtime_ns, shard.st_size, shard.st_ino)


@lru_cache(maxsize=8)  # a run's files are read one after another
def _parsed(files_json: bytes, index: Path) -> Mapping[str, tuple[int, int, int]]:
    return dict(json_of(files_json, index, FILES, RESTORE))


def find(run: Path) -> Packed | None:
    """Return where the run of this folder is packed, if it is; raises Damaged."""
    folder = run.parent.parent / FOLDER
    return packed_runs(folder).get(run.name)


def packed_runs(folder: Path) -> dict[str, Packed]:
    """Return all packed runs by id, read again when a shard comes or goes; raises Damaged."""
    try:
        seen = folder.stat().st_mtime_ns
    except OSError:
        return {}
    if folder not in KNOWN or KNOWN[folder][0] != seen:
        found = {key: run for path in shards(folder) for key, run in _runs(path).items()}
        KNOWN[folder] = (seen, found)
    return KNOWN[folder][1]


def shards(folder: Path) -> list[Path]:
    """Return the paths of all shards, also of one that is missing beside its index."""
    beside = (index.with_suffix(".zip") for index in folder.glob("*.index"))
    return sorted({*folder.glob("*.zip"), *beside})


def index_of(shard: Path) -> Path:
    """Return the path of the index beside a shard."""
    return shard.with_suffix(".index")


def index(files_by_run: Mapping[str, Mapping[str, tuple[int, int, int]]]) -> bytes:
    """Return the digest of all other lines, and a line for each run: its id, then its files."""
    lines = [f"{run_id} {json.dumps(files)}\n" for run_id, files in files_by_run.items()]
    body = "".join(lines).encode()
    return f"{sha256(body)}\n".encode() + body


def read_bytes(path: Path, *, most_bytes: int | None = None) -> bytes:
    """Read a file of a run as `rote.io.read.read_bytes` does, in a shard if it lies in none."""
    try:
        return read.read_bytes(path, most_bytes=most_bytes)
    except FileNotFoundError:
        if (packed := find(path.parent)) is None:
            raise
        return packed.read(path.name)


def sha256_of(path: Path) -> str:
    """Return the digest of a file of a run, as `read_bytes` finds it, read in pieces on disk."""
    try:
        open_regular(path).close()
    except FileNotFoundError:
        return sha256(read_bytes(path))
    return sha256_of_file(path)


def _runs(shard: Path) -> dict[str, Packed]:
    """Return the runs of a shard by the index beside it, else by the one in it."""
    try:
        lines = _lines(read.read_bytes(index_of(shard)))
    except (FileNotFoundError, ValueError):
        try:
            with ZipFile(shard) as stored:
                lines = _lines(stored.read(INDEX))
        except (BadZipFile, KeyError, OSError, ValueError) as error:
            remedy = f"{index_of(shard).name} beside it is damaged too: move both away"
            raise Damaged(shard, error, remedy) from error
    return {
        line[:ID_DIGITS].decode(): Packed(shard, line[ID_DIGITS + 1 :]) for line in lines if line
    }


def _lines(data: bytes) -> list[bytes]:
    digest, _, body = data.partition(b"\n")
    if digest != sha256(body).encode():
        raise ValueError("its checksum does not match its content")
    return body.split(b"\n")
