"""Read wandb's transaction log: what an offline run holds, up to a torn tail.

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
    """What one transaction log says of its run."""

    path: Path
    run_id: str = ""  # empty where a process was killed before it told
    project: str = ""
    group: str = ""
    job_type: str = ""
    started_unix_seconds: float = 0.0
    config: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)  # in the order of logging
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None  # None: it was killed, or still runs


def logs(folder: Path) -> list[Path]:
    """The transaction logs of all lives that wandb kept below ``folder``/wandb, oldest first."""
    # The names begin with the time; `latest-run`, a link to one of them, is not meant.
    return sorted(folder.glob("wandb/*run-*/*.wandb"), key=_began)


def read_log(path: Path) -> Log:
    """Up to a torn tail. Raises ValueError where it is no such file."""
    log = Log(path=path)
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run" and not log.run_id:
            _tell_identity(log, record.run)
        elif kind == "history":
            log.rows.append(_values(record.history.item))
        elif kind == "summary":
            log.summary |= _values(record.summary.update)
        elif kind == "exit":
            log.exit_code = record.exit.exit_code
    return log


def run_id_of(path: Path) -> str:
    """Empty where the log ends before it tells; read no further than that."""
    for record in records(path):
        if record.WhichOneof("record_type") == "run":
            return str(record.run.run_id)
    return ""


def history(path: Path) -> list[dict[str, Any]]:
    """Every logged row, in the order of logging. Raises ValueError where it is no such file."""
    return read_log(path).rows


def is_complete(path: Path) -> bool:
    """Whether the log holds its run's exit: nothing more will come."""
    last = None
    for last in records(path):  # noqa: B007
        pass
    return last is not None and last.WhichOneof("record_type") == "exit"


def whole_bytes(path: Path) -> int:
    """How far the file holds whole records; the file's size but for a torn tail."""
    data = read_bytes(path)
    position = min(FILE_HEADER_BYTES, len(data))
    for kind, _, end in _pieces(data):
        if kind in (FULL, LAST):
            position = end
    return position


def records(path: Path) -> Iterator[Any]:
    """Protobuf records up to the first that is torn: a killed run loses its unflushed tail."""
    data = read_bytes(path)
    if not data.startswith(MAGIC[: len(data)]):  # a killed run may leave nothing at all
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
    """Kind, body and end of each piece whose checksum holds."""
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


def _began(path: Path) -> str:
    return path.parent.name.removeprefix("offline-")


def _tell_identity(log: Log, run: Any) -> None:
    log.run_id, log.project = run.run_id, run.project
    log.group, log.job_type = run.run_group, run.job_type
    log.config = _values(run.config.update)
    log.started_unix_seconds = run.start_time.seconds + run.start_time.nanos / 1e9


def _values(items: Any) -> dict[str, Any]:
    """A nested key of several parts is written with dots."""
    return {
        str(item.key) or ".".join(item.nested_key): json.loads(item.value_json) for item in items
    }
