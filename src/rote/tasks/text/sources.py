"""Where text comes from: files of this machine; no torch, no network.

A source offers what `Source` says; `rote.tasks.text.hub` has one more.
"""

import ast
import hashlib
import json
import sys
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from rote.files import sha256_of_file
from rote.tasks.text.pieces import Piece, blocks_of_utf8, pieces, utf8

CONTENTS = ("sources", "docstrings")
TESTS = {"test", "tests", "idle_test"}  # some of their files are broken on purpose
ROWS_AT_ONCE = 1000


class Source(Protocol):
    """Documents in a fixed order; frozen and hashable."""

    def version(self) -> str:
        """A digest that moves where the documents may have changed; the same on any machine."""
        ...

    def total_bytes(self) -> int | None:
        """About how much text there is; None where only reading it tells."""
        ...

    def pieces(self) -> Iterator[Piece]:
        """Every document; raises ValueError naming what cannot be read, and where."""
        ...


@dataclass(frozen=True, kw_only=True)
class PythonLibrary:
    """The standard library of the Python that runs, a document for each module, sorted by name.

    Tests are left out. Raises ValueError where Python was installed without its sources.
    """

    content: str  # sources: whole files; docstrings: documentation strings alone

    def __post_init__(self) -> None:
        if self.content not in CONTENTS:
            raise ValueError(f"task.source.content must be one of {CONTENTS}, got {self.content!r}")

    def version(self) -> str:
        """Over every module's name and bytes."""
        return _digest([self.content, *(f"{n}:{sha256_of_file(p)}" for n, p in self._modules())])

    def total_bytes(self) -> int | None:
        """Of whole files, also where documentation strings alone are taken."""
        return sum(path.stat().st_size for _, path in self._modules())

    def pieces(self) -> Iterator[Piece]:
        """Decoded as Python would."""
        for _, path in self._modules():
            with tokenize.open(path) as stream:
                text = stream.read()
            yield from pieces([_docstrings(text) if self.content == "docstrings" else text])

    def _modules(self) -> list[tuple[str, Path]]:
        root = Path(sysconfig.get_path("stdlib"))
        found = []
        for path in root.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            if parts[0] in sys.stdlib_module_names and not TESTS.intersection(parts):
                found.append((".".join(parts), path))
        if not found:
            raise ValueError(f"no sources of the standard library in {root}: use task/source=files")
        return sorted(found)


@dataclass(frozen=True, kw_only=True)
class LocalFiles:
    """Files by path or glob pattern, each pattern's in the order of their names.

    A line of a ``.jsonl`` and a row of a ``.parquet`` is a document, any other file is one whole.
    Raises ValueError for a pattern that fits no file.
    """

    paths: Sequence[str]
    field: str  # that holds the text, of a JSON line or of a parquet file

    def __post_init__(self) -> None:
        if isinstance(self.paths, str) or not self.paths:
            raise ValueError(
                f"task.source.paths must be a list of files, like [a.txt,more/*.jsonl], "
                f"got {self.paths!r}"
            )
        object.__setattr__(self, "paths", tuple(map(str, self.paths)))

    def version(self) -> str:
        """Over every file's kind and bytes, not over their names."""
        return _digest([self.field, *(f"{p.suffix}:{sha256_of_file(p)}" for p in self._files())])

    def total_bytes(self) -> int | None:
        """As stored."""
        return sum(path.stat().st_size for path in self._files())

    def pieces(self) -> Iterator[Piece]:
        """File after file."""
        for path in self._files():
            if path.suffix == ".jsonl":
                documents: Iterable[Iterable[str]] = ([text] for text in _lines(path, self.field))
            elif path.suffix == ".parquet":
                documents = ([text] for text in _rows(path, self.field))
            else:
                documents = [blocks_of_utf8(path)]
            for document in documents:
                yield from pieces(document)

    def _files(self) -> list[Path]:
        return [path for pattern in self.paths for path in files_of(pattern)]


def files_of(pattern: str) -> list[Path]:
    """Sorted; raises ValueError where there is none."""
    path = Path(pattern)
    if path.is_file():  # its name may look like a pattern
        return [path]
    fitting = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    if found := sorted(path for path in fitting if path.is_file()):
        return found
    raise ValueError(f"no file is called {pattern!r} (seen from {Path.cwd()})")


def _lines(path: Path, field: str) -> Iterator[str]:
    position = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            text = utf8(line, path, position)
            position += len(line)
            if text.strip():
                yield _field_of(text, field, f"{path}, line {number}")


def _field_of(line: str, field: str, where: str) -> str:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where} is not JSON: {error}") from error
    return text_of(row, field, where)


def text_of(row: Any, field: str, where: str) -> str:
    """The text of a row; raises ValueError where there is none that UTF-8 can hold."""
    if not isinstance(row, dict) or field not in row:
        held = sorted(row) if isinstance(row, dict) else type(row).__name__
        raise ValueError(f"{where} has no {field!r}, it holds {held}: set task.source.field")
    text = row[field]
    if not isinstance(text, str):
        raise ValueError(f"{where}: {field!r} is no text but {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}: {field!r} is not Unicode text ({error.reason})") from error
    return text


def _rows(path: Path, field: str) -> Iterator[str]:
    try:
        frame = pl.scan_parquet(path)
        held = sorted(frame.collect_schema().names())
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path} is not a parquet file: {error}") from error
    if field not in held:
        raise ValueError(f"{path} has no {field!r}, it holds {held}: set task.source.field")
    batches = frame.select(field).collect_batches(chunk_size=ROWS_AT_ONCE, maintain_order=True)
    number = 0
    for batch in batches:
        for row in batch.iter_rows(named=True):
            number += 1
            yield text_of(row, field, f"{path}, row {number}")


def _docstrings(source: str) -> str:
    tree = ast.parse(source)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    nodes.sort(key=lambda node: getattr(node, "lineno", 0))
    return "".join(f"{text}\n\n" for node in nodes if (text := ast.get_docstring(node)))


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
