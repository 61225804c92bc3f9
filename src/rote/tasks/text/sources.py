"""Read text of this machine as documents, in pieces for tokenisers; no torch, no network.

`Source` is the protocol; `rote.tasks.text.hub` has another source. Long documents are cut into
pieces.
"""

import ast
import sys
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from rote.core.checks import require_choice
from rote.io.write import sha256, sha256_of_file
from rote.tasks.text.reading.encoding import blocks_of_utf8
from rote.tasks.text.reading.formats import PARQUET, TEXT, FileFormat, files_of, kind_of
from rote.tasks.text.reading.rows import RowSelection, rows_of

PIECE_CHARACTERS = 1 << 18  # a tokeniser's memory grows with its input


class Piece(NamedTuple):
    """A document, or a part of one; parts end after a line if possible."""

    text: str
    ends_document: bool
    is_null: bool = False  # a row without text, which counts as an empty document


def pieces(document: Iterable[str], *, is_null: bool = False) -> Iterator[Piece]:
    """Cut a document that comes in blocks; the cuts depend on the text and the sizes of blocks."""
    rest = ""
    for block in document:
        text, start = rest + block, 0
        while len(text) - start > PIECE_CHARACTERS:
            limit = start + PIECE_CHARACTERS
            end = text.rfind("\n", start, limit) + 1 or limit
            yield Piece(text[start:end], ends_document=False)
            start = end
        rest = text[start:]
    yield Piece(rest, ends_document=True, is_null=is_null)


CONTENTS = ("sources", "docstrings")
TESTS = {"test", "tests", "idle_test"}  # some of their files are broken on purpose
MOST_BYTES = 1 << 28  # of a row or a line, which is held in memory


class Source(Protocol):
    """Documents in a fixed order; frozen and hashable."""

    def version(self) -> str:
        """Return a digest that changes if the documents may have changed; equal on all machines."""

    def total_bytes(self) -> int | None:
        """Return the approximate size of the text; None if only reading shows it."""

    def pieces(self) -> Iterator[Piece]:
        """Yield every document; raises ValueError naming what cannot be read, and where."""


@dataclass(frozen=True, kw_only=True)
class PythonLibrary:
    """The standard library of the running Python, one document per module, sorted by name.

    Tests are left out. Raises ValueError if Python was installed without its sources.
    """

    content: str  # sources: whole files; docstrings: only these

    def __post_init__(self) -> None:
        require_choice("task.source.content", self.content, CONTENTS)

    def version(self) -> str:
        """Return a digest of every module's name and bytes."""
        parts = [f"{name}:{sha256_of_file(path)}" for name, path in self._modules()]
        return sha256("\n".join([self.content, *parts]).encode())

    def total_bytes(self) -> int | None:
        """Return the size of whole files, even if only docstrings are taken."""
        return sum(path.stat().st_size for _, path in self._modules())

    def pieces(self) -> Iterator[Piece]:
        """Yield modules, decoded as Python does."""
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
    """Files by path or glob pattern, or all of a folder, each in the order of their names.

    Lines of JSON, entries of a JSON list and rows of parquet, .csv or .tsv are documents; any other
    file is one document. Files may be compressed. Raises ValueError for a pattern without a file.
    """

    paths: Sequence[str]
    field: str  # of a row; it holds the text

    def __post_init__(self) -> None:
        if isinstance(self.paths, str) or not self.paths:
            raise ValueError(
                f"task.source.paths must be a list of files, like [a.txt,more/*.jsonl], "
                f"got {self.paths!r}"
            )
        object.__setattr__(self, "paths", tuple(map(str, self.paths)))

    def version(self) -> str:
        """Return a digest of the format and bytes of every file, without names."""
        parts = [f"{self._kind(path).label}:{sha256_of_file(path)}" for path in self._files()]
        return sha256("\n".join([self.field, *parts]).encode())

    def total_bytes(self) -> int | None:
        """Return the stored size; None if a file is compressed or parquet."""
        files = self._files()
        kinds = [self._kind(path) for path in files]
        if any(kind.compression or kind.format == PARQUET for kind in kinds):
            return None
        return sum(path.stat().st_size for path in files)

    def pieces(self) -> Iterator[Piece]:
        """Yield the documents file by file."""
        wanted = wanted_text(
            self.field, "set task.source.field, or name it .txt where all of it is the text"
        )
        for path in self._files():
            kind = self._kind(path)
            if kind.format == TEXT:
                yield from pieces(blocks_of_utf8(path))
                continue
            for row in rows_of(path, kind, wanted):
                if not row.is_blank:
                    yield from pieces([str(row.content)], is_null=row.is_null)

    def _kind(self, path: Path) -> FileFormat:
        return kind_of(path, [self.field])

    def _files(self) -> list[Path]:
        return [path for pattern in self.paths for path in files_of(pattern)]


def wanted_text(field: str, way_out: str) -> RowSelection:
    """Select a field with text, in a row of a file or data set."""
    return RowSelection(field=field, way_out=way_out, takes_tokens=False, most_bytes=MOST_BYTES)


def _docstrings(source: str) -> str:
    tree = ast.parse(source)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    nodes.sort(key=lambda node: getattr(node, "lineno", 0))
    return "".join(f"{text}\n\n" for node in nodes if (text := ast.get_docstring(node)))
