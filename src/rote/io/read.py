"""This module reads files of an outputs folder, which may be damaged or come from a stranger.

Nothing here blocks (a FIFO is refused before it is read), follows a link out of a folder that was
named, or raises anything but FileNotFoundError and `Damaged`.
"""

import json
import math
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO

from rote.io.shapes import Shape

MOST_LEVELS = 64  # of objects and lists inside each other; our own files have fewer than ten
MOST_DIGITS = 40  # of a whole number
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])?")
CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)])
del CONTROLS[ord("\n")], CONTROLS[ord("\t")]


class Damaged(ValueError):
    """A file that cannot be used: the message names it, says why, and what to do."""

    def __init__(self, path: Path, reason: object, remedy: str = "") -> None:
        words = " ".join(str(reason).split())
        super().__init__(f"{path} is damaged: {words}" + (f"; {remedy}" if remedy else ""))
        self.reason = words


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises FileNotFoundError, and Damaged for a folder, a FIFO, a device, a link that leads nowhere
    and for what the operating system refuses.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if path.is_symlink():
            raise Damaged(
                path, "it is a link to a file that is not there", "move it away"
            ) from None
        raise
    except (OSError, ValueError) as error:
        raise Damaged(path, getattr(error, "strerror", None) or error, "move it away") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Damaged(path, "it is not a regular file", "move it away")
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path, *, most_bytes: int | None = None) -> bytes:
    """The content of a regular file.

    Raises FileNotFoundError, and Damaged as `open_regular` and for more than ``most_bytes``.
    """
    with open_regular(path) as stream:
        try:
            data = stream.read() if most_bytes is None else stream.read(most_bytes + 1)
        except OSError as error:
            raise Damaged(path, error.strerror) from error
    if most_bytes is not None and len(data) > most_bytes:
        raise Damaged(path, f"it has more than {most_bytes:,} bytes")
    return data


def read_end(path: Path, num_bytes: int) -> bytes:
    """At most the last ``num_bytes`` of a regular file; raises as `read_bytes`."""
    with open_regular(path) as stream:
        try:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - num_bytes))
            return stream.read(num_bytes)
        except OSError as error:
            raise Damaged(path, error.strerror) from error


def read_inside(folder: Path, path: Path) -> bytes:
    """As `read_bytes`, of a file that lies in ``folder``, wherever links on the way to it lead."""
    require_inside(folder, path)
    return read_bytes(path)


def require_inside(folder: Path, path: Path) -> None:
    """Raises Damaged where a path leads out of ``folder``, by its name or through a link."""
    try:
        is_inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle; a NUL in the name
        is_inside = False
    if not is_inside:
        raise Damaged(path, f"it lies outside of {folder}", "only files inside are shown")


def read_json(path: Path, shape: Shape, remedy: str = "") -> Any:
    """The value in a JSON file, of this shape; raises FileNotFoundError, and Damaged."""
    return json_of(read_bytes(path), path, shape, remedy)


def json_of(text: str | bytes, path: Path, shape: Shape, remedy: str = "") -> Any:
    """As `read_json`, of what was read of ``path``; raises Damaged."""
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_bounded)
        _require_levels(text, value)
        _require_unicode(text, value)
        shape(value, "")
    except RecursionError as error:
        raise Damaged(path, f"it is nested more than {MOST_LEVELS} levels deep", remedy) from error
    except ValueError as error:  # bytes that are not text, too
        raise Damaged(path, error, remedy) from error
    return value


def printable(text: str) -> str:
    """The text without escape sequences and control characters, lines and tabs kept.

    A terminal would carry them out: move its cursor, set its title, answer with keys.
    """
    return ESCAPES.sub("", text).translate(CONTROLS)


def is_regular(path: Path) -> bool:
    """Whether there is a regular file, through links too; nothing is opened."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def levels(value: Any) -> int:
    """How deep objects and lists are inside each other; a plain value has none."""
    depth, layer = 0, [value]
    while layer := [each for each in layer if isinstance(each, dict | list)]:
        depth += 1
        layer = [
            child for each in layer for child in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def _require_levels(text: str | bytes, value: Any) -> None:
    """Counting the brackets of the text first: walking through a large value takes longer."""
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    if data.count(b"[") + data.count(b"{") <= MOST_LEVELS:
        return
    import numpy as np  # a third of the time that rote --help takes

    codes = np.frombuffer(data, np.uint8)
    opened = np.isin(codes, (0x5B, 0x7B)).astype(np.int64) - np.isin(codes, (0x5D, 0x7D))
    if opened.cumsum().max() > MOST_LEVELS and levels(value) > MOST_LEVELS:
        raise RecursionError


def _require_unicode(text: str | bytes, value: Any) -> None:
    """Half of a surrogate pair, written as an escape, can be neither printed nor stored."""
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    if SURROGATE.search(data):
        json.dumps(value, ensure_ascii=False).encode()


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(f"the number {word[:40]} is too large")
    return number


def _bounded(word: str) -> int:
    if len(word) > MOST_DIGITS:
        raise ValueError(f"the number {word[:40]} is too large")
    return int(word)
