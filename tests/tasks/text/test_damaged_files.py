"""Files that hold no documents: one sentence with file, place and the way out, within seconds."""

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import polars as pl
import pytest
import zstandard
from tests.tasks.text.files import each_file, written

from rote.tasks.text.reading import decompression
from rote.tasks.text.sources import LocalFiles

LINES = b'{"text": "some words"}\n' * 400
PACK = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
}
PACKED = {kind: pack(LINES) for kind, pack in PACK.items()}


def refusal(path: Path, field: str = "text") -> str:
    source = LocalFiles(paths=[str(path)], field=field)
    with pytest.raises(ValueError) as caught:
        source.version()
        list(source.pieces())
    said = str(caught.value)
    assert str(path) in said and "\n" not in said
    return said


def tar(content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def zipped(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", content)
    return stream.getvalue()


def nested(depth: int) -> bytes:
    return b'{"text": ' + b"[" * depth + b"]" * depth + b"}"


PARQUET = io.BytesIO()
pl.DataFrame({"text": ["a"]}).write_parquet(PARQUET)
CASES = {
    "cut.jsonl.gz": (PACKED["gz"][:-20], "is cut off"),
    "cut.jsonl.bz2": (PACKED["bz2"][:-20], "is cut off"),
    "cut.jsonl.xz": (PACKED["xz"][:-20], "is cut off"),
    "cut.jsonl.zst": (PACKED["zst"][:-5], "is cut off"),
    "wrong.jsonl.gz": (PACKED["gz"][:30] + b"####" + PACKED["gz"][34:], "is damaged gzip data"),
    "wrong.jsonl.zst": (PACKED["zst"][:9] + b"#" * 40, "is damaged zstandard data"),
    "twice.gz": (gzip.compress(PACKED["gz"]), "is gzip data within gzip data"),
    "mixed.gz": (gzip.compress(PACKED["zst"]), "is zstandard data within gzip data"),
    "a.zip": (zipped(LINES), "is a zip archive, which is not read: give its documents"),
    "a.tar": (tar(LINES), "is a tar archive"),
    "a.tar.gz": (gzip.compress(tar(LINES)), "is a tar archive within gzip data"),
    "a.parquet.gz": (gzip.compress(PARQUET.getvalue()), "is parquet within gzip data"),
    "a.pdf": (b"%PDF-1.7", "is a PDF"),
    "a.jsonl": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run git lfs pull"),
    "wide.txt": ("some words".encode("utf-16-le"), "UTF-16 without a byte order mark"),
    "wide.jsonl": (LINES.decode().encode("utf-16-be"), "UTF-16 without a byte order mark"),
    "odd.txt": ("words".encode("utf-16")[:-1], "is not UTF-16"),
    "latin.txt.gz": (gzip.compress(b"na\xefve"), "is not UTF-8: byte 2"),
    "deep.jsonl": (nested(200_000), "line 1 is JSON nested too deeply"),
    "deep.json": (b"[" + nested(200_000) + b"]", "entry 1 is JSON nested too deeply"),
    "digits.jsonl": (b'{"text": ' + b"9" * 5000 + b"}", "line 1 is not JSON"),
    "cut.json": (b'["a", "b"', "is cut off: its list does not end"),
    "torn.json": (b'["a", {"text": "b', "entry 2 is not JSON"),
    "comma.json": (b'["a" "b"]', "no comma stands behind entry 1"),
    "more.json": (b'["a"] "b"', "goes on behind the end of its list"),
    "number.json": (b'["a", 7]', "entry 2 is int, not an object with 'text'"),
    "other.json": (b'{\n "name": "x"\n}', "entry 1 has no 'text', it holds ['name']"),
    "other.csv": (b"a,b\n1,2\n", "line 1 has no 'text', it holds ['a', 'b']: set"),
    "cells.csv": (b"n,text\n1,one, two\n", "line 2 has 3 cells, the header 2"),
    "quotes.csv": (b'n,text\n1,"one\n2,two\n', "unexpected end of data"),
    "names.csv": (b"text,text\n1,2\n", "names a column twice"),
    "tokens.jsonl": (b'{"text": [1, 2]}\n', "line 1: 'text' is no text but list"),
    "torn.jsonl": (b'{"text": "a"}\n{"text"\n', "line 2 is not JSON"),
    "field.jsonl": (b'{"words": "a"}\n', "line 1 has no 'text', it holds ['words']"),
    "number.jsonl": (b'{"text": 3}\n', "line 1: 'text' is no text but int"),
    "half.jsonl": (b'{"text": "\\ud800"}\n', "line 1: 'text' is not Unicode text"),
    "list.jsonl": (b"[1]\n", "line 1 is list, not an object with 'text'"),
    "no.parquet": (b"no", "is not a parquet file"),
}  # fmt: skip


@each_file(CASES)
def test_what_holds_no_documents_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    assert message in refusal(written(tmp_path / name, content))


def test_the_line_of_a_table_is_that_of_the_file(tmp_path: Path) -> None:
    content = b'text\n"one\ntwo"\nthree\nfour,five\n'
    assert "line 5 has 2 cells" in refusal(written(tmp_path / "a.csv", content))


@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_is_not_unpacked(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompression, "FREE_BYTES", 1 << 20)
    content = b"\n" * (8 << 20)
    said = refusal(written(tmp_path / f"a.txt.{kind}", PACK[kind](content)))
    assert "unpacks to more than 250 times" in said and "unpack it" in said


def test_a_parquet_of_copies_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decompression, "FREE_BYTES", 1 << 20)
    path = tmp_path / "copies.parquet"
    pl.DataFrame({"text": ["words " * 2000] * 5000}).write_parquet(path)
    assert "unpacks to more than 250 times" in refusal(path)


def test_rows_that_take_no_space_are_not_counted_through(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"text": [None]}, schema={"text": pl.String}).select(
        pl.col("text").repeat_by(20_000_000).explode()
    ).write_parquet(path)
    assert path.stat().st_size < 1 << 20
    assert "claims 20,000,000 rows" in refusal(path)


def test_a_line_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rote.tasks.text.sources.MOST_BYTES", 1 << 16)
    long = json.dumps({"text": "a" * (1 << 17)}).encode()
    told = "more than 65,536 bytes"
    assert told in refusal(written(tmp_path / "a.jsonl", b'{"text": "a"}\n' + long))
    assert "line 2 has more" in refusal(tmp_path / "a.jsonl")
    assert told in refusal(written(tmp_path / "b.jsonl.gz", gzip.compress(long)))
    many = written(tmp_path / "c.json", b'["a",\n"' + b"b" * (3 << 20) + b'"]')
    assert told in refusal(many)
    assert told in refusal(written(tmp_path / "d.csv", b"text\n" + b"c" * (1 << 17) + b"\n"))
    plain = tmp_path / "e.txt"  # not held whole
    plain.write_bytes(b"a" * (1 << 17))
    assert list(LocalFiles(paths=[str(plain)], field="text").pieces())


def test_pipes_and_lost_links_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert "is no regular file: save what it gives" in refusal(tmp_path / "pipe.jsonl")
    (tmp_path / "lost.jsonl").symlink_to(tmp_path / "nowhere")
    assert "which is not there" in refusal(tmp_path / "lost.jsonl")
    (tmp_path / "real.txt").write_text("words")
    assert list(LocalFiles(paths=[str(tmp_path)], field="text").pieces())
