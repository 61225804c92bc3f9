"""Read wandb's transaction log: what an offline run holds, up to a torn tail.

The format is LevelDB's log (blocks of 32 KiB; records with CRC, length and kind) of protobuf
messages, after a header of 7 bytes. wandb has no public reader that returns rows (its `wandb leet
inspect` is a command, 2 s a call).
"""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

MAGIC = b":W&B"
FILE_HEADER_BYTES = 7
BLOCK_BYTES = 32 * 1024
HEADER = struct.Struct("<IHB")  # CRC-32 of kind and body, length of the body, kind
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def history(path: Path) -> list[dict[str, Any]]:
    """Every logged row, in the order of logging. Raises ValueError where it is no such file."""
    rows = []
    for record in records(path):
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append({_key(item): json.loads(item.value_json) for item in items})
    return rows


def is_complete(path: Path) -> bool:
    """Whether the log holds its run's exit: nothing more will come."""
    last = None
    for last in records(path):  # noqa: B007
        pass
    return last is not None and last.WhichOneof("record_type") == "exit"


def records(path: Path) -> Iterator[Any]:
    """Protobuf records up to the first that is torn: a killed run loses its unflushed tail."""
    data = path.read_bytes()
    if not data.startswith(MAGIC[: len(data)]):  # a killed run may leave nothing at all
        raise ValueError(f"{path} is not a wandb transaction log")
    body = b""
    for kind, piece in _pieces(data):
        body = piece if kind in (FULL, FIRST) else body + piece
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(body)
            yield record


def _pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
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
        yield kind, piece


def _key(item: Any) -> str:
    return str(item.key) or ".".join(item.nested_key)
