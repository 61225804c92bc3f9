"""Find files by path, pattern or folder, and detect the format of each; no torch.

The content of a file decides its format first, then its name. Training and audits share this one
reader.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rote.io.write import is_lfs_pointer
from rote.tasks.text.reading.decompression import compression_of, open_bytes, without_compression
from rote.tasks.text.reading.encoding import encoding_of, open_utf8

TEXT, JSON_LINES, JSON, TABLE, PARQUET = "text", "JSON lines", "JSON", "table", "parquet"
OF_SUFFIX = {
    ".jsonl": JSON_LINES, ".ndjson": JSON_LINES, ".jsonlines": JSON_LINES, ".jl": JSON_LINES,
    ".json": JSON, ".csv": TABLE, ".tsv": TABLE, ".tab": TABLE,
    ".parquet": PARQUET, ".parq": PARQUET, ".pq": PARQUET,
}  # fmt: skip
PARQUET_MAGIC = b"PAR1"
# Named in errors about files whose bytes are no text.
OTHERS = {
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a rar archive",
    b"\x04\x22\x4d\x18": "lz4 data",
    b"\x1f\x9d": "data of compress",
    b"ARROW1": "an Arrow file",
    b"\xff\xff\xff\xff": "an Arrow stream",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"%PDF": "a PDF",
    b"\x93NUMPY": "a numpy array",
    b"SQLite format 3": "a SQLite database",
    b"\x89HDF": "an HDF5 file",
}
TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257
HEAD_BYTES = 1 << 20
LINES_LOOKED_AT = 16
JSON_OPENINGS = ('"', "{", "]", "n")  # of a list of documents: text, object, empty list, null


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """How a file is read."""

    format: str
    suffix: str  # without that of a compression, in lower case
    compression: str | None
    encoding: str | None  # from a byte order mark

    @property
    def label(self) -> str:
        """Return what a digest of the documents includes besides the bytes.

        Corpus ids and digests of audits depend on it: plain files must keep the label they have.
        """
        if self.compression is None and self.encoding is None:
            plain = {TEXT: self.suffix, JSON_LINES: ".jsonl", PARQUET: ".parquet"}
            return plain.get(self.format, f"{self.format}{self.suffix}")
        return f"{self.format}{self.suffix}, {self.compression}, {self.encoding}"


def kind_of(path: Path, fields: Sequence[str]) -> FileFormat:
    """Return how a file's documents are read; one of ``fields`` of a JSON object is the document.

    Raises ValueError, with a remedy, for archives and binary files.
    """
    with path.open("rb") as stream:
        compression = compression_of(stream.read(16))
    with open_bytes(path) as stream:
        head = stream.read(TAR_MAGIC_AT + len(TAR_MAGIC))
    _require_readable(path, head, compression)
    suffix = Path(without_compression(path)).suffix
    known = OF_SUFFIX.get(suffix)
    if head.startswith(PARQUET_MAGIC) or known == PARQUET:
        if compression is not None:
            raise ValueError(f"{path} is parquet within {compression} data: unpack it")
        return FileFormat(format=PARQUET, suffix=suffix, compression=None, encoding=None)
    return FileFormat(
        format=known if known == TABLE else _of_content(path, known, fields),
        suffix=suffix,
        compression=compression,
        encoding=encoding_of(head),
    )


def _require_readable(path: Path, head: bytes, compression: str | None) -> None:
    within = "" if compression is None else f" within {compression} data"
    if is_lfs_pointer(head):
        raise ValueError(f"{path} is a pointer of git-lfs, not the file: run git lfs pull")
    if compression is not None and (inner := compression_of(head)):
        raise ValueError(f"{path} is {inner} data{within}: unpack it once")
    held = next((words for magic, words in OTHERS.items() if head.startswith(magic)), None)
    if head[TAR_MAGIC_AT:] == TAR_MAGIC:
        held = "a tar archive"
    if held is not None:
        raise ValueError(
            f"{path} is {held}{within}, which is not read: give its documents as .jsonl, .parquet, "
            ".csv or .txt"
        )


def _of_content(path: Path, known: str | None, fields: Sequence[str]) -> str:
    with open_utf8(path) as stream:
        data = stream.read(HEAD_BYTES)
    head = data.decode(errors="replace").lstrip("\ufeff \t\r\n")
    is_whole = len(data) < HEAD_BYTES
    if known is None:
        return _of_unnamed(head, fields, is_whole=is_whole)
    if head.startswith("[") and head[1:].lstrip().startswith(JSON_OPENINGS):
        return JSON
    first = head.partition("\n")[0]
    if known == JSON and _value(first) is None and ("\n" in head or is_whole):
        return JSON  # one object over many lines
    return JSON_LINES


def _of_unnamed(head: str, fields: Sequence[str], *, is_whole: bool) -> str:
    """Return JSON only if the first rows hold one of the fields."""
    if head.startswith("["):
        try:
            first, _ = json.JSONDecoder().raw_decode(head[1:].lstrip())
        except (ValueError, RecursionError):
            return TEXT
        return JSON if _is_document(first, fields) else TEXT
    lines = head.split("\n")
    if not is_whole:
        lines.pop()  # it may be incomplete
    rows = [_value(line) for line in lines[:LINES_LOOKED_AT] if line.strip()]
    return JSON_LINES if rows and all(_is_document(row, fields) for row in rows) else TEXT


def _is_document(row: Any, fields: Sequence[str]) -> bool:
    return isinstance(row, dict) and any(
        isinstance(row.get(field, 0), str | list | None) for field in fields
    )


def _value(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def files_of(pattern: str) -> list[Path]:
    """Return sorted files; a folder stands for all files below it, except hidden ones.

    Raises ValueError if there is none, and for a pipe or a device, which cannot be read twice.
    """
    path = Path(pattern)
    if path.is_file():  # its name may look like a pattern
        return [path]
    if path.is_dir():
        return _below(path)
    if path.exists():
        raise ValueError(f"{path} is no regular file: save what it gives to a file, and give that")
    if path.is_symlink():
        raise ValueError(f"{path} is a link to {path.readlink()}, which is not there")
    fitting = Path(path.anchor).glob(str(path.relative_to(path.anchor))) if pattern else ()
    if found := sorted(path for path in fitting if path.is_file()):
        return found
    raise ValueError(f"no file is called {pattern!r} (seen from {Path.cwd()})")


def _below(folder: Path) -> list[Path]:
    found = [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    ]
    if not found:
        raise ValueError(f"there is no file in the folder {str(folder)!r}")
    return sorted(found)
