"""Read wandb's transaction log: the content of an offline run, up to a torn tail.

The format is LevelDB's log (blocks of 32 KiB; records with CRC, length and kind) of protobuf
messages, after a header of 7 bytes. wandb has no public reader that returns rows (its `wandb leet
inspect` is a command, 2 s a call).
"""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

from rote.io.read import Damaged, read_bytes

MAGIC = b":W&B"
FILE_HEADER_BYTES = 7
BLOCK_BYTES = 32 * 1024
HEADER = struct.Struct("<IHB")  # CRC-32 of kind and body, length of the body, kind
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass(kw_only=True)
class Log:
    """The content of one transaction log."""

    path: Path
    run_id: str = ""  # empty if the process was killed before it was written
    project: str = ""
    group: str = ""
    job_type: str = ""
    started_unix_seconds: float = 0.0
    config: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)  # in the order of logging
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None  # None: it was killed, or is still running


def logs(folder: Path) -> list[Path]:
    """Return the transaction logs of all sessions in ``folder``/wandb, oldest first."""
    # The names hold the time; the pattern skips `latest-run`, a link to one of them.
    found = folder.glob("wandb/*run-*/*.wandb")
    return sorted(found, key=lambda path: path.parent.name.removeprefix("offline-"))


def read_log(path: Path) -> Log:
    """Read a log up to a torn tail; raises ValueError for another kind of file."""
    log = Log(path=path)
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run" and not log.run_id:
            _set_identity(log, record.run)
        elif kind == "history":
            log.rows.append(_values(record.history.item))
        elif kind == "summary":
            log.summary |= _values(record.summary.update)
        elif kind == "exit":
            log.exit_code = record.exit.exit_code
    return log


def run_id_of(path: Path) -> str:
    """Return the run id, reading no further; empty if the log ends before it."""
    for record in records(path):
        if record.WhichOneof("record_type") == "run":
            return str(record.run.run_id)
    return ""


def is_complete(path: Path) -> bool:
    """Return whether the log holds its run's exit: no more rows will follow."""
    last = None
    for last in records(path):  # noqa: B007
        pass
    return last is not None and last.WhichOneof("record_type") == "exit"


def whole_bytes(path: Path) -> int:
    """Return the length of the file without a torn tail."""
    data = read_bytes(path)
    position = min(FILE_HEADER_BYTES, len(data))
    for kind, _, end in _pieces(data):
        if kind in (FULL, LAST):
            position = end
    return position


def records(path: Path) -> Iterator[Any]:
    """Yield protobuf records up to the first torn one: a killed run loses its unflushed tail."""
    data = read_bytes(path)
    if not data.startswith(MAGIC[: len(data)]):  # a killed run may leave an empty file
        raise ValueError(f"{path} is not a wandb transaction log")
    body = b""
    for kind, piece, _ in _pieces(data):
        body = piece if kind in (FULL, FIRST) else body + piece
        if kind in (FULL, LAST):
            yield _record(body, path)


def _record(body: bytes, path: Path) -> Any:
    record = Record()
    try:
        record.ParseFromString(body)
    except DecodeError as error:
        raise Damaged(path, error) from error
    return record


def _pieces(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield kind, body and end of each piece whose checksum is right."""
    position = FILE_HEADER_BYTES
    while position + HEADER.size <= len(data):
        left_in_block = BLOCK_BYTES - position % BLOCK_BYTES
        if left_in_block < HEADER.size:  # the rest of a block is padding
            position += left_in_block
            continue
        crc, length, kind = HEADER.unpack_from(data, position)
        piece = data[position + HEADER.size : position + HEADER.size + length]
        if kind == 0 or len(piece) < length or zlib.crc32(piece, zlib.crc32(bytes([kind]))) != crc:
            return
        position += HEADER.size + length
        yield kind, piece, position


def _set_identity(log: Log, run: Any) -> None:
    log.run_id, log.project = run.run_id, run.project
    log.group, log.job_type = run.run_group, run.job_type
    log.config = _values(run.config.update)
    log.started_unix_seconds = run.start_time.seconds + run.start_time.nanos / 1e9


def _values(items: Any) -> dict[str, Any]:
    """Return values by key; a nested key is joined with dots."""
    return {
        str(item.key) or ".".join(item.nested_key): json.loads(item.value_json) for item in items
    }
