"""Members and non-members in files as people have them, read as training reads them."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.auditing.small_folders import texts
from tests.tasks.text.files import each_file, written

from rote.auditing import document_sets
from rote.auditing.document_sets import (
    DocumentSet,
    ReadOptions,
    digests_of,
    kinds_of,
    read_document_sets,
    read_rows,
)
from rote.core.progress import no_progress

TEXTS = texts(0)


def json_lines(rows: Sequence[object]) -> bytes:
    return "".join(json.dumps({"text": row}) + "\n" for row in rows).encode()


def contents(path: Path, field: str = "text") -> list[object]:
    return [row.content for row in read_rows(path, field, no_progress)]


def members(path: Path, other: Path) -> DocumentSet:
    reading = ReadOptions(
        encode=lambda given: [np.frombuffer(text.encode(), np.uint8).copy() for text in given],
        decode=lambda rows: [bytes(row).decode() for row in rows],
        vocab_size=256,
        max_tokens=1024,
        progress=no_progress,
    )
    return read_document_sets(path, other, "text", reading)[0]


def test_lines_of_text_without_marks(tmp_path: Path) -> None:
    lines = "\n".join(TEXTS)
    for name, content in {
        "a.txt": lines.encode("utf-8-sig"),
        "b.txt": lines.encode("utf-16"),
        "c.txt.gz": gzip.compress(lines.encode("utf-8-sig")),
        "d.TXT": lines.replace("\n", "\r\n").encode(),
        "e.txt": lines.replace("\n", "\r").encode(),
        "f": lines.encode(),
        "g.txt": json_lines(TEXTS),
    }.items():
        assert contents(written(tmp_path / name, content)) == TEXTS, name


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet"])
def test_nulls_count_as_empty(tmp_path: Path, name: str) -> None:
    rows = [*TEXTS[:3], None, *TEXTS[3:], ""]
    path = tmp_path / name
    if name == "a.parquet":
        pl.DataFrame({"text": rows}).write_parquet(path)
    else:
        written(path, json_lines(rows) if name == "a.jsonl" else json.dumps(rows).encode())
    other = written(tmp_path / "n.jsonl", json_lines(texts(1)))
    found = members(path, other)
    assert (found.num_rows, found.num_empty, len(found.tokens)) == (32, 2, 30)
    assert list(found.lines_D[:5]) == [1, 2, 3, 5, 6]


def test_tokens_of_any_format(tmp_path: Path) -> None:
    tokens = [[1, 2, 3], [4, 5]]
    lines = "".join(json.dumps({"tokens": row}) + "\n" for row in tokens).encode()
    pl.DataFrame({"tokens": tokens}).write_parquet(tmp_path / "a.parquet")
    as_list = json.dumps([{"tokens": row} for row in tokens]).encode()
    for path in (
        tmp_path / "a.parquet",
        written(tmp_path / "a.ndjson", lines),
        written(tmp_path / "a.txt", lines),
        written(tmp_path / "a.json", as_list),
    ):
        assert contents(path) == [(1, 2, 3), (4, 5)]


def test_a_folder_is_counted_through(tmp_path: Path) -> None:
    folder = tmp_path / "members"
    written(folder / "b.jsonl", json_lines(["third", "fourth"]))
    written(folder / "a.txt", b"first\nsecond\n")
    written(folder / "c" / "d.csv.gz", gzip.compress(b"text\nfifth\n"))
    rows = read_rows(folder, "text", no_progress)
    assert [row.content for row in rows] == ["first", "second", "third", "fourth", "fifth"]
    assert [row.number for row in rows] == [1, 2, 3, 4, 6]  # a table begins with its header
    with pytest.raises(ValueError, match=r"b\.jsonl, line 2 has no 'text'"):
        written(folder / "b.jsonl", b'{"text": "a"}\n{"other": "b"}\n')
        read_rows(folder, "text", no_progress)


def test_text_of_which_nothing_says_where_a_document_ends(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.md is none of \.jsonl.*a document a line"):
        kinds_of(written(tmp_path / "a.md", b"# words\n"), "text")


def test_what_an_audit_holds_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.jsonl", json_lines(TEXTS))
    for name, bound in (("MOST_ROWS", 10), ("MOST_BYTES", 100)):
        with monkeypatch.context() as patch:
            patch.setattr(document_sets, name, bound)
            with pytest.raises(ValueError, match=r"a\.jsonl has more than .*give a sample"):
                read_rows(path, "text", no_progress)
    monkeypatch.setattr(document_sets, "MOST_DOCUMENT_BYTES", 1 << 10)
    long = written(tmp_path / "long.jsonl", json_lines(["a" * (1 << 11)]))
    with pytest.raises(ValueError, match=r"long\.jsonl, line 1 has more than 1,024 bytes"):
        read_rows(long, "text", no_progress)


def test_reading_and_tokenising_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_sets, "ROWS_SHOWN", 10)
    seen: list[tuple[str, float]] = []
    path = written(tmp_path / "a.jsonl", json_lines(TEXTS))
    read_rows(path, "text", lambda what, done, _: seen.append((what, done)))
    assert seen == [("reading a.jsonl", 10), ("reading a.jsonl", 20), ("reading a.jsonl", 30)]


def test_two_formats_of_the_same_bytes_are_two_audits(tmp_path: Path) -> None:
    """A finished audit of lines is no answer about the rows of a table."""
    path = written(tmp_path / "members.txt", "\n".join(["text", *TEXTS, ""]).encode())
    lines, of_lines = len(contents(path)), digests_of(kinds_of(path, "text"))
    table = path.rename(tmp_path / "members.csv")
    assert (lines, len(contents(table))) == (31, 30)
    assert of_lines != digests_of(kinds_of(table, "text"))


REFUSED = {
    "text.csv": (b"a\n", r"text.csv, line 1 has no 'text', it holds \['a'\]: give --field"),
    "latin.txt": (b"fine\nna\xefve\n", "line 2: .*byte 7"),
    "other.jsonl": (b'{"txt": "a"}\n', r"line 1 has no 'text', it holds \['txt'\]: give --field"),
    "number.jsonl": (b'{"text": 3}\n', "'text' is neither text nor a list of token ids"),
    "few.jsonl": (json_lines(texts(1)[:19]), "has 19 documents to score"),
    "tokens.jsonl": (b'{"tokens": [1, 2, 3]}\n', "holds text, the other token ids"),
    "mixed.jsonl": (b'{"text": "a"}\n{"tokens": [1, 2]}\n', "mixes text and token ids"),
}  # fmt: skip


@each_file(REFUSED)
def test_files_that_hold_no_documents_are_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    other = written(tmp_path / "members.jsonl", json_lines(TEXTS))
    with pytest.raises(ValueError, match=message):
        members(other, written(tmp_path / name, content))


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    other = written(tmp_path / "members.jsonl", json_lines(TEXTS))
    with pytest.raises(ValueError, match="there is no file"):
        members(other, tmp_path / "none.jsonl")


def test_rows_without_the_field_and_tokens_that_the_model_lacks(tmp_path: Path) -> None:
    other = written(tmp_path / "other.jsonl", b'{"tokens": [1, 2, 3]}\n')
    for column, rows, message in (
        ("txt", ["a"], "row 1 has no 'text'"),
        ("tokens", [[1, 256]] * 30, "token 256, and the model knows 0 to 255"),
    ):
        pl.DataFrame({column: rows}).write_parquet(tmp_path / "wrong.parquet")
        with pytest.raises(ValueError, match=message):
            members(tmp_path / "wrong.parquet", other)
