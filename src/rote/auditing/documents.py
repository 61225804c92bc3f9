"""The documents of one side of an audit, read whole: rows and lines of files, each numbered."""

from collections.abc import Iterator
from pathlib import Path

from rote.core.progress import Progress
from rote.tasks.text.reading.formats import TEXT, FileFormat, kind_of
from rote.tasks.text.reading.paths import files_of
from rote.tasks.text.reading.rows import Row, RowSelection, rows_of

LINES = (".txt", ".text", "")  # plain text with a document a line; other text has longer ones
# What is held of a side at most. Forward passes over as much text would take weeks.
MOST_DOCUMENT_BYTES, MOST_BYTES, MOST_ROWS = 1 << 24, 1 << 30, 1 << 22
ROWS_SHOWN = 1 << 14


def wanted(field: str) -> RowSelection:
    """A field with text or token ids."""
    return RowSelection(
        field=field, way_out="give --field", takes_tokens=True, most_bytes=MOST_DOCUMENT_BYTES
    )


def kinds_of(path: Path, field: str) -> list[tuple[Path, FileFormat]]:
    """The files that a side is read from, and how each is read.

    Raises ValueError for what is not there, and for text of which nothing says where a document
    ends.
    """
    if not path.exists():
        raise ValueError(f"there is no file {str(path)!r}")
    found = [(file, kind_of(file, wanted(field).fields)) for file in files_of(str(path))]
    for file, kind in found:
        if kind.format == TEXT and kind.suffix not in LINES:
            raise ValueError(
                f"{file} is none of .jsonl, .json, .csv, .tsv, .parquet and .txt (a document a "
                "line): its documents cannot be told apart"
            )
    return found


def read_rows(path: Path, field: str, progress: Progress) -> list[Row]:
    """Every line or row of a file, or of all files of a folder, counted on from file to file.

    Raises ValueError naming file and line for what is no document, and for more than is held.
    """
    rows: list[Row] = []
    num_bytes = 0
    for row in _counted(path, field):
        num_bytes += len(row.content) * (1 if isinstance(row.content, str) else 8)
        if num_bytes > MOST_BYTES or len(rows) >= MOST_ROWS:
            raise ValueError(
                f"{path} has more than the {MOST_ROWS:,} documents, or than the {MOST_BYTES:,} "
                "bytes of them, that an audit holds: give a sample of it"
            )
        rows.append(row)
        if len(rows) % ROWS_SHOWN == 0:
            progress(f"reading {path.name}", len(rows), None)
    if len({type(row.content) for row in rows if not row.is_empty}) > 1:
        raise ValueError(f"{path} mixes text and token ids: give one of them")
    return rows


def _counted(path: Path, field: str) -> Iterator[Row]:
    before = 0
    for file, kind in kinds_of(path, field):
        last = 0
        for row in rows_of(file, kind, wanted(field)):
            last = row.number
            yield Row(number=before + last, content=row.content)
        before += last
