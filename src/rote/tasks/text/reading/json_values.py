"""Read the values of a JSON file one by one, for files of any length; no torch."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rote.tasks.text.reading.encoding import blocks_of_utf8

DECODER = json.JSONDecoder()
BLANK = " \t\r\n"


def json_value(text: str, where: str) -> Any:
    """Parse JSON text; raises ValueError naming ``where`` if it is not JSON."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{where} is not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError(f"{where} is JSON nested too deeply") from error


def json_values(path: Path, most_bytes: int) -> Iterator[Any]:
    """Yield the entries of a list, or consecutive values, holding only a part of the file.

    Raises ValueError for an entry that is not JSON, or is longer than ``most_bytes``.
    """
    text = _Text(path, most_bytes)
    is_list = text.starts_with("[")
    if is_list:
        text.skip(1)
    number = 0
    while not text.is_at_end():
        if is_list and text.starts_with("]"):
            text.skip(1)
            if not text.is_at_end():
                raise ValueError(f"{path} goes on behind the end of its list")
            return
        if is_list and number:
            if not text.starts_with(","):
                raise ValueError(f"{path}: no comma stands behind entry {number}")
            text.skip(1)
        number += 1
        yield text.value(f"{path}, entry {number}")
    if is_list:
        raise ValueError(f"{path} is cut off: its list does not end")


class _Text:
    """The text read but not consumed yet; it grows until the next value is complete."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.blocks = blocks_of_utf8(path)
        self.held, self.at, self.is_all = "", 0, False

    def starts_with(self, sign: str) -> bool:
        """Return whether the sign follows, after white space."""
        return not self.is_at_end() and self.held[self.at] == sign

    def skip(self, number: int) -> None:
        self.at += number

    def is_at_end(self) -> bool:
        """Skip white space and return whether nothing is left."""
        while True:
            while self.at < len(self.held) and self.held[self.at] in BLANK:
                self.at += 1
            if self.at < len(self.held) or not self._grow(1):
                return self.at >= len(self.held)

    def value(self, where: str) -> Any:
        self.is_at_end()  # skips white space
        more = 1
        while True:
            try:
                value, end = DECODER.raw_decode(self.held, self.at)
                if end < len(self.held) or not self._grow(1):  # a number may continue
                    self.at = end
                    return value
            except RecursionError as error:
                raise ValueError(f"{where} is JSON nested too deeply") from error
            except ValueError as error:
                if len(self.held) - self.at > self.most_bytes:
                    raise ValueError(
                        f"{where} is not JSON, or has more than {self.most_bytes:,} bytes, the most"
                        " that is read as one document"
                    ) from error
                if not self._grow(more):
                    reason = str(error).partition(": line")[0]
                    raise ValueError(f"{where} is not JSON: {reason}") from error
                more *= 2  # so that a long value is not parsed again for each block

    def _grow(self, num_blocks: int) -> bool:
        """Read on and return whether there was more."""
        taken = [block for _, block in zip(range(num_blocks), self.blocks, strict=False)]
        if taken:
            self.held, self.at = self.held[self.at :] + "".join(taken), 0
        return bool(taken)
