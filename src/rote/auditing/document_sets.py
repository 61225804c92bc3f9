"""Read the members and the non-members of an audit as tokens, and count what is left out.

Rows and lines of files are numbered. Shapes: D documents of a set.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rote.core.progress import Progress
from rote.io.write import sha256_of_file
from rote.tasks.text.reading.formats import TEXT, FileFormat, files_of, kind_of
from rote.tasks.text.reading.rows import DocumentRow, RowSelection, rows_of

LINES = (".txt", ".text", "")  # plain text, a document per line; other text has longer ones
# The most that a set may hold. Forward passes over as much text would take weeks.
MOST_DOCUMENT_BYTES, MOST_BYTES, MOST_ROWS = 1 << 24, 1 << 30, 1 << 22
ROWS_SHOWN = 1 << 14


def wanted(field: str, count: str | None = None) -> RowSelection:
    """Return the selection of a field with text or token ids, and of one with a count."""
    return RowSelection(
        field=field,
        way_out="give --field",
        takes_tokens=True,
        most_bytes=MOST_DOCUMENT_BYTES,
        count=count,
    )


def kinds_of(path: Path, field: str) -> list[tuple[Path, FileFormat]]:
    """Return the files of a document set and how each is read.

    Raises ValueError for a missing file, and for text that does not show where a document ends.
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


def digests_of(files: Sequence[tuple[Path, FileFormat]]) -> dict[str, str]:
    """Return SHA-256 of each file with its format: two formats give different documents."""
    return {
        f"{number}, {kind.label}": sha256_of_file(path)
        for number, (path, kind) in enumerate(files, start=1)
    }


def read_rows(path: Path, field: str, progress: Progress) -> list[DocumentRow]:
    """Read every line or row of a file, or of all files of a folder, numbered across files.

    Raises ValueError naming file and line for a row that is no document, and for too many documents
    or bytes.
    """
    return read_files(path, kinds_of(path, field), wanted(field), progress)


def read_files(
    path: Path,
    files: Sequence[tuple[Path, FileFormat]],
    selection: RowSelection,
    progress: Progress,
) -> list[DocumentRow]:
    """Read every line or row of ``files``, which ``path`` stands for; raises as `read_rows`."""
    rows: list[DocumentRow] = []
    num_bytes = 0
    for row in _numbered(files, selection):
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


def _numbered(
    files: Sequence[tuple[Path, FileFormat]], selection: RowSelection
) -> Iterator[DocumentRow]:
    before = 0
    for file, kind in files:
        last = 0
        for row in rows_of(file, kind, selection):
            last = row.number
            yield DocumentRow(number=before + last, content=row.content, count=row.count)
        before += last


FEWEST = 20  # documents per set: ten in each half, one for each fold of the blind baseline
FEWEST_TOKENS = 2  # with one token there is nothing to predict from
MOST_LINES_SHOWN = 5
TOKENISED_AT_ONCE = 1 << 20  # characters: a tokeniser holds much more than the tokens

Tokens = np.ndarray  # int64, one document
Encode = Callable[[Sequence[str]], Sequence[Tokens]]
Decode = Callable[[Sequence[Tokens]], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class DocumentSet:
    """The scored documents of one file, in its order, and counts of the others."""

    lines_D: np.ndarray  # line of each in its file, from 1
    counts_D: np.ndarray | None  # how often each was inserted; None: not known
    tokens: Sequence[Tokens]  # as scored
    texts: Sequence[str] | None  # of these tokens; None if the file holds token ids
    whole: Sequence[Tokens]  # every document of two tokens or more, uncut, with duplicates
    num_rows: int
    num_empty: int
    num_too_short: int
    num_duplicates: int  # beyond the first; equal in all scored tokens
    num_truncated: int  # of the scored ones

    def counts(self) -> dict[str, int]:
        """Return the counts for a record."""
        return {
            "rows": self.num_rows,
            "empty": self.num_empty,
            "too_short": self.num_too_short,
            "duplicates": self.num_duplicates,
            "truncated": self.num_truncated,
            "scored": len(self.tokens),
        }


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How rows become tokens; ``encode`` is None for a model without a tokeniser."""

    encode: Encode | None
    decode: Decode | None
    vocab_size: int
    max_tokens: int
    progress: Progress


def read_document_sets(
    members: Path, nonmembers: Path, field: str, reading: ReadOptions
) -> tuple[DocumentSet, DocumentSet]:
    """Read both sets; raises ValueError for unusable files, too few documents, or an overlap."""
    rows = (
        read_rows(members, field, reading.progress),
        read_rows(nonmembers, field, reading.progress),
    )
    return document_sets(rows, (members, nonmembers), reading)


def document_sets(
    rows: tuple[Sequence[DocumentRow], Sequence[DocumentRow]],
    paths: tuple[Path, Path],
    reading: ReadOptions,
) -> tuple[DocumentSet, DocumentSet]:
    """Tokenise the rows of members and non-members; raises as `read_document_sets`."""
    kinds = [{type(row.content) for row in each if not row.is_empty} for each in rows]
    if kinds[0] and kinds[1] and kinds[0] != kinds[1]:
        raise ValueError(f"one of {paths[0]} and {paths[1]} holds text, the other token ids")
    made = _side(rows[0], paths[0], reading), _side(rows[1], paths[1], reading)
    _require_apart(*made)
    for each, path, name in zip(made, paths, ("members", "non-members"), strict=True):
        if len(each.tokens) < FEWEST:
            counts = [f"{key.replace('_', ' ')} {count}" for key, count in each.counts().items()]
            raise ValueError(
                f"{path} has {len(each.tokens)} documents to score as {name}, and membership takes "
                f"{FEWEST} ({', '.join(counts)})"
            )
    return made


def _side(rows: Sequence[DocumentRow], path: Path, reading: ReadOptions) -> DocumentSet:
    filled = [row for row in rows if not row.is_empty]
    encoded = _encoded(filled, path, reading)
    long = [place for place, tokens in enumerate(encoded) if len(tokens) >= FEWEST_TOKENS]
    cut = {place: encoded[place][: reading.max_tokens] for place in long}
    first = {tokens.tobytes(): place for place, tokens in reversed(cut.items())}
    kept = sorted(first.values())
    is_cut = {place: len(encoded[place]) > reading.max_tokens for place in kept}
    return DocumentSet(
        lines_D=np.array([filled[place].number for place in kept], dtype=np.int64),
        counts_D=_counts([filled[place] for place in kept]),
        tokens=[cut[place] for place in kept],
        texts=_texts(filled, cut, is_cut, reading),
        whole=[encoded[place] for place in long],
        num_rows=len(rows),
        num_empty=len(rows) - len(filled),
        num_too_short=len(filled) - len(long),
        num_duplicates=len(long) - len(kept),
        num_truncated=sum(is_cut.values()),
    )


def _counts(rows: Sequence[DocumentRow]) -> np.ndarray | None:
    counts = [row.count for row in rows if row.count is not None]
    return np.array(counts, dtype=np.int64) if counts and len(counts) == len(rows) else None


def _texts(
    rows: Sequence[DocumentRow], cut: Mapping[int, Tokens], is_cut: Mapping[int, bool],
    reading: ReadOptions,
) -> list[str] | None:  # fmt: skip
    """Return the text of the scored tokens: scores of text must not see more than the model."""
    if any(not isinstance(rows[place].content, str) for place in is_cut):
        return None
    assert reading.decode is not None
    shorter = iter(reading.decode([cut[place] for place in is_cut if is_cut[place]]))
    return [next(shorter) if is_cut[place] else str(rows[place].content) for place in is_cut]


def _encoded(rows: Sequence[DocumentRow], path: Path, reading: ReadOptions) -> list[Tokens]:
    if rows and isinstance(rows[0].content, str):
        if reading.encode is None:
            raise ValueError(
                f"{path} holds text and the model has no tokeniser: give token ids, "
                'a .jsonl with {"tokens": [...]} on each line'
            )
        encoded = _tokenised([str(row.content) for row in rows], path, reading)
    else:
        encoded = [np.array(row.content, dtype=np.int64) for row in rows]
    for row, tokens in zip(rows, encoded, strict=True):
        if len(tokens) and int(tokens.max()) >= reading.vocab_size:
            raise ValueError(
                f"{path}, line {row.number}: token {int(tokens.max())}, and the model knows "
                f"0 to {reading.vocab_size - 1}"
            )
    return encoded


def _tokenised(texts: Sequence[str], path: Path, reading: ReadOptions) -> list[Tokens]:
    assert reading.encode is not None
    tokens: list[Tokens] = []
    while len(tokens) < len(texts):
        start = end = len(tokens)
        size = 0
        while end < len(texts) and (end == start or size + len(texts[end]) <= TOKENISED_AT_ONCE):
            size += len(texts[end])
            end += 1
        tokens += reading.encode(texts[start:end])
        reading.progress(f"tokenising {path.name}", end, len(texts))
    return tokens


def _require_apart(members: DocumentSet, nonmembers: DocumentSet) -> None:
    """Raises ValueError if a document is in both sets."""
    line_of = {
        tokens.tobytes(): line for tokens, line in zip(members.tokens, members.lines_D, strict=True)
    }
    both = [
        (line_of[tokens.tobytes()], line)
        for tokens, line in zip(nonmembers.tokens, nonmembers.lines_D, strict=True)
        if tokens.tobytes() in line_of
    ]
    if both:
        shown = ", ".join(f"{one} and {other}" for one, other in both[:MOST_LINES_SHOWN])
        more = ", ..." if len(both) > MOST_LINES_SHOWN else ""
        raise ValueError(
            f"{len(both)} documents are members and non-members, equal in every token that is "
            f"scored: lines {shown}{more} of the two files"
        )
