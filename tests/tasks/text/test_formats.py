"""The same texts are the same corpus in whatever format, compression and encoding they come."""

import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard
from tests.tasks.text.conftest import MakeRecipe, prepared, prose
from tests.tasks.text.files import documents as documents_of
from tests.tasks.text.files import written

from rote.tasks.text.pipeline import PreparationPipeline
from rote.tasks.text.reading.formats import kind_of
from rote.tasks.text.sources import LocalFiles

TEXTS = ["One line.\nAnother, naïve; one.", "🙂 " * 20, "", prose(1, 80), 'it says "no",\tyes']

Pack = Callable[[bytes], bytes]
COMPRESSIONS: dict[str, Pack] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}
ENCODINGS = ("utf-8-sig", "utf-16", "utf-32")


def json_lines(texts: list[str]) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def table(texts: list[str], delimiter: str) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerows([["number", "text"], *enumerate(texts)])
    return stream.getvalue().encode()


def parquet(texts: list[str]) -> bytes:
    stream = io.BytesIO()
    pl.DataFrame({"n": range(len(texts)), "text": texts}).write_parquet(stream)
    return stream.getvalue()


FORMATS: dict[str, bytes] = {
    "lines.jsonl": json_lines(TEXTS),
    "lines.ndjson": json_lines(TEXTS),
    "LINES.JSONL": json_lines(TEXTS),
    "lines.json": json_lines(TEXTS),
    "lines.txt": json_lines(TEXTS),
    "lines": json_lines(TEXTS),
    "strings.jsonl": "".join(json.dumps(text) + "\n" for text in TEXTS).encode(),
    "list.json": json.dumps([{"text": text, "n": [{}]} for text in TEXTS], indent=1).encode(),
    "strings.json": json.dumps(TEXTS, ensure_ascii=False).encode(),
    "list.jsonl": json.dumps([{"text": text} for text in TEXTS]).encode(),
    "list.data": json.dumps([{"text": text} for text in TEXTS]).encode(),
    "objects.json": "\n".join(json.dumps({"text": text}, indent=2) for text in TEXTS).encode(),
    "table.csv": table(TEXTS, ","),
    "semicolons.csv": table(TEXTS, ";"),
    "table.tsv": table(TEXTS, "\t"),
    "table.CSV": table(TEXTS, ","),
    "rows.parquet": parquet(TEXTS),
    "rows.data": parquet(TEXTS),
}


def documents(path: Path) -> list[str]:
    return documents_of(LocalFiles(paths=[str(path)], field="text"))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_documents(tmp_path: Path, name: str) -> None:
    written(tmp_path / name, FORMATS[name])
    assert documents(tmp_path / name) == TEXTS


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize("name", ["lines.jsonl", "list.json", "table.csv"])
def test_compressed_files_are_read_whatever_their_name(
    tmp_path: Path, name: str, suffix: str
) -> None:
    packed = COMPRESSIONS[suffix](FORMATS[name])
    written(tmp_path / f"{name}{suffix}", packed)
    assert documents(tmp_path / f"{name}{suffix}") == TEXTS
    written(tmp_path / name, packed)  # the suffix was lost on the way
    assert documents(tmp_path / name) == TEXTS
    again = COMPRESSIONS[suffix](json_lines(TEXTS[:2])) + COMPRESSIONS[suffix](
        json_lines(TEXTS[2:])
    )
    written(tmp_path / f"parts.jsonl{suffix}", again)
    assert documents(tmp_path / f"parts.jsonl{suffix}") == TEXTS


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["lines.jsonl", "lines.json", "list.json", "table.csv"])
def test_byte_order_marks_are_dropped(tmp_path: Path, name: str, encoding: str) -> None:
    encoded = FORMATS[name].decode().encode(encoding)
    written(tmp_path / name, encoded)
    assert documents(tmp_path / name) == TEXTS
    written(tmp_path / f"{name}.gz", gzip.compress(encoded))
    assert documents(tmp_path / f"{name}.gz") == TEXTS


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_plain_text_begins_behind_its_mark(tmp_path: Path, encoding: str) -> None:
    text = prose(2, 30_000)  # more than a block
    written(tmp_path / "a.txt", text.encode(encoding))
    assert documents(tmp_path / "a.txt") == [text]
    written(tmp_path / "twice.txt", "\ufeffx".encode("utf-8-sig"))
    assert documents(tmp_path / "twice.txt") == ["x"]
    written(tmp_path / "inside.txt", "x\ufeffy".encode())
    assert documents(tmp_path / "inside.txt") == ["x\ufeffy"]


def test_marks_of_files_that_were_put_together(tmp_path: Path) -> None:
    one = b"\xef\xbb\xbf" + json_lines(["a"])
    written(tmp_path / "both.jsonl", one + one)
    assert documents(tmp_path / "both.jsonl") == ["a", "a"]


def test_carriage_returns_end_lines_where_nothing_else_does(tmp_path: Path) -> None:
    written(tmp_path / "old.jsonl", json_lines(["a", "b"]).replace(b"\n", b"\r"))
    assert documents(tmp_path / "old.jsonl") == ["a", "b"]


def test_text_stays_text(tmp_path: Path) -> None:
    for name, content in {
        "notes.txt": '{"text" is a key, said a line.\n',
        "code.py": '{"text": 1}\n',
        "list.md": "[a link](there)\n",
        "half.txt": '{"text": "a"}\nand prose\n',
        "other.log": '{"level": "info"}\n{"level": "info"}\n',
        "packed.gz": "not packed\n",
    }.items():
        written(tmp_path / name, content.encode())
        assert documents(tmp_path / name) == [content], name


def test_nulls_are_empty_documents_and_reported(
    tmp_path: Path, make_recipe: MakeRecipe, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [prose(number, 30) for number in range(3)]
    rows = json_lines(texts) + b'{"text": null}\n{"text": NaN}\n'
    corpus = prepared(make_recipe(paths=[str(written(tmp_path / "null.jsonl", rows))]))
    assert corpus.manifest["counts"]["documents"] == 5
    assert corpus.manifest["counts"]["null_documents"] == 2
    assert "2 of 5 documents are null and count as empty" in caplog.text
    pl.DataFrame({"text": [*texts, None, None]}).write_parquet(tmp_path / "null.parquet")
    same = prepared(make_recipe(paths=[str(tmp_path / "null.parquet")]))
    assert same.corpus == corpus.corpus
    written(tmp_path / "null.json", json.dumps([*texts, None, None]).encode())
    assert prepared(make_recipe(paths=[str(tmp_path / "null.json")])).corpus == corpus.corpus


def test_a_folder_is_all_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    (folder / "b" / ".git").mkdir(parents=True)
    for name, text in {
        "b/one.txt": "first", "b/two.jsonl": '{"text": "second"}\n', "c.txt": "third",
        ".hidden": "no", "b/.git/config": "no",
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    assert documents(folder) == ["first", "second", "third"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no file in the folder"):
        documents(tmp_path / "empty")


def test_a_file_is_read_in_a_new_way_under_a_new_version(tmp_path: Path) -> None:
    """What was prepared from a .json as plain text is not taken for its documents."""
    paths = [str(written(tmp_path / "a.json", json_lines(TEXTS)))]
    versions = {LocalFiles(paths=paths, field="text").version()}
    for name in ("a.txt", "a.csv", "a.tsv"):
        content = b"text\na\n"
        written(tmp_path / name, content)
        versions.add(LocalFiles(paths=[str(tmp_path / name)], field="text").version())
    assert len(versions) == 4


# Made before files were read by their content: corpus, and version of the source.
KNOWN = {
    "long.txt": (
        "text-1b8ed2dd288372ee",
        "fb6e810df89270f28fbf5c720704d766d9b3e416b19ced8d6b01d73c67b572d5",
    ),
    "lines.jsonl": (
        "text-58d63b76bfde8557",
        "dbbe5cc016740ce4bfce6caea168a929248d2dd6eec8d0d6435dd828d94d59c2",
    ),
    "rows.parquet": ("text-58d63b76bfde8557", None),
}


@pytest.mark.parametrize("name", KNOWN)
def test_plain_files_are_the_corpora_that_they_were(
    tmp_path: Path, make_recipe: MakeRecipe, name: str
) -> None:
    texts = [prose(number, 60) for number in range(4)]
    content = {
        "long.txt": prose(5, 120_000).replace(" bits", "\n").encode(),
        "lines.jsonl": b"\n" + json_lines([*texts, "", texts[0]]) + b"  \n",
        "rows.parquet": None,
    }[name]
    if content is None:
        frame = pl.DataFrame({"text": [*texts, "", texts[0]]})
        frame.write_parquet(tmp_path / name, compression="uncompressed")
    else:
        (tmp_path / name).write_bytes(content)
    corpus, version = KNOWN[name]
    recipe = make_recipe(paths=[str(tmp_path / name)])
    assert prepared(recipe).corpus == corpus
    if version is not None:  # bytes of parquet are those of a version of polars
        assert recipe.source.version() == version


def test_many_documents_without_text_are_prepared_in_parts(
    tmp_path: Path, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rote.tasks.text.pipeline.BATCH_PIECES", 10)
    paths = [str(written(tmp_path / "many.jsonl", json_lines([""] * 95 + [prose(1, 50)])))]
    seen: list[float] = []

    def show(what: str, done: float, total: float | None) -> None:
        if what == "tokenising text":
            seen.append(done)

    PreparationPipeline(folder=tmp_path / "work", recipe=make_recipe(paths=paths)).carry_out(show)
    assert len(seen) == 10


def test_the_kind_of_a_file_is_known_from_a_part_of_it(tmp_path: Path) -> None:
    long = json.dumps({"text": "a" * (3 << 20)})
    path = tmp_path / "long.json"
    path.write_text(long)
    assert kind_of(path, ["text"]).format == "JSON lines"
    assert [len(text) for text in documents(path)] == [3 << 20]
    path.write_text(json.dumps([{"text": "a" * (3 << 20)}, {"text": "b"}]))
    assert [len(text) for text in documents(path)] == [3 << 20, 1]
