"""Read files of an outputs folder; the files may be damaged or come from a stranger.

These functions never block (a FIFO is refused before it is read), never follow a link out of the
folder that the caller names, and raise only FileNotFoundError and `Damaged`.
"""

import json
import math
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from rote.io.shapes import Shape

SHOWN_REASONS = 5
MOST_LEVELS = 64  # of nested objects and lists; our own files have fewer than ten
MOST_DIGITS = 40  # of an integer
SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])?")
CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)])
del CONTROLS[ord("\n")], CONTROLS[ord("\t")]


class Damaged(ValueError):
    """A file cannot be used: the message names the file, the reason and a remedy."""

    def __init__(self, path: Path, reason: object, remedy: str = "") -> None:
        words = " ".join(str(reason).split())
        super().__init__(f"{path} is damaged: {words}" + (f"; {remedy}" if remedy else ""))
        self.reason = words


def require_no_damage(damaged: Sequence[str]) -> None:
    """Raises ValueError with the reasons; call it after all sound results are shown or written."""
    if damaged := list(dict.fromkeys(damaged)):  # a damaged shard is the reason of all its runs
        more = len(damaged) - SHOWN_REASONS
        rest = [f"and {more} more: rote doctor --outputs"] if more > 0 else []
        raise ValueError("; ".join([*damaged[:SHOWN_REASONS], *rest]))


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises FileNotFoundError; raises Damaged for a folder, a FIFO, a device or a broken link, and
    when the operating system refuses.
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
    """Return a regular file's content; raises FileNotFoundError, and Damaged, also if too long."""
    with open_regular(path) as stream:
        try:
            data = stream.read() if most_bytes is None else stream.read(most_bytes + 1)
        except OSError as error:
            raise Damaged(path, error.strerror) from error
    if most_bytes is not None and len(data) > most_bytes:
        raise Damaged(path, f"it has more than {most_bytes:,} bytes")
    return data


def read_end(path: Path, num_bytes: int) -> bytes:
    """Return at most the last ``num_bytes`` of a regular file; raises as `read_bytes` does."""
    with open_regular(path) as stream:
        try:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - num_bytes))
            return stream.read(num_bytes)
        except OSError as error:
            raise Damaged(path, error.strerror) from error


def read_inside(folder: Path, path: Path) -> bytes:
    """Read a file as `read_bytes` does; raises Damaged if its real path is outside ``folder``."""
    require_inside(folder, path)
    return read_bytes(path)


def require_inside(folder: Path, path: Path) -> None:
    """Raises Damaged if the path leaves ``folder``, by its name or through a link."""
    try:
        is_inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, or a NUL in the name
        is_inside = False
    if not is_inside:
        raise Damaged(path, f"it lies outside of {folder}", "only files inside are shown")


def read_json(path: Path, shape: Shape, remedy: str = "") -> Any:
    """Return the value in a JSON file of this shape; raises FileNotFoundError and Damaged."""
    return json_of(read_bytes(path), path, shape, remedy)


def json_of(text: str | bytes, path: Path, shape: Shape, remedy: str = "") -> Any:
    """Parse the text read from ``path`` as `read_json` does; raises Damaged."""
    try:
        words = text if isinstance(text, str) else text.decode(json.detect_encoding(text))
        value = DECODER.decode(words)
        data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
        _require_levels(data, value)
        if SURROGATE.search(data):  # half of a pair can be neither printed nor stored
            json.dumps(value, ensure_ascii=False).encode()
        shape(value, "")
    except RecursionError as error:
        raise Damaged(path, f"it is nested more than {MOST_LEVELS} levels deep", remedy) from error
    except ValueError as error:  # also raised for bytes that are not text
        raise Damaged(path, error, remedy) from error
    return value


def printable(text: str) -> str:
    """Return the text without escape sequences and control characters; lines and tabs stay.

    A terminal would obey them: move its cursor, set its title, send keys as an answer.
    """
    return ESCAPES.sub("", text).translate(CONTROLS)


def is_regular(path: Path) -> bool:
    """Return whether the path, or the target of its link, is a regular file; opens nothing."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def levels(value: Any) -> int:
    """Return the nesting depth of objects and lists; 0 for a plain value."""
    depth, layer = 0, [value]
    while layer := [each for each in layer if isinstance(each, dict | list)]:
        depth += 1
        layer = [
            child for each in layer for child in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def _require_levels(data: bytes, value: Any) -> None:
    """Raises RecursionError for deep nesting; to count brackets is quicker than a walk."""
    if data.count(b"[") + data.count(b"{") <= MOST_LEVELS:
        return
    import numpy as np  # imported here: it takes a third of the time of rote --help

    codes = np.frombuffer(data, np.uint8)
    brackets = codes[np.isin(codes, (0x5B, 0x7B, 0x5D, 0x7D))]
    opened = np.where(np.isin(brackets, (0x5B, 0x7B)), 1, -1)
    if opened.cumsum().max() > MOST_LEVELS and levels(value) > MOST_LEVELS:
        raise RecursionError


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


# One for all files: making it takes as long as reading a row of a curve.
DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, parse_int=_bounded)
