"""What sources give, and in which words they refuse."""

import abc
import inspect
import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.tasks.text.conftest import MakeRecipe, bpe, prepared, prose
from tests.tasks.text.files import documents

from rote.tasks.text import sources as cutting
from rote.tasks.text.hub import HuggingFace
from rote.tasks.text.reading.encoding import BLOCK_BYTES, blocks_of_utf8
from rote.tasks.text.sources import LocalFiles, PythonLibrary, pieces
from rote.tasks.text.tokenisers import TokeniserFile

TEXTS = ["One line.\nAnother, naïve one.", "", "🙂 " * 20, "the last"]


def write_rows(path: Path, texts: list[str]) -> Path:
    if path.suffix == ".parquet":
        pl.DataFrame({"n": range(len(texts)), "words": texts}).write_parquet(path)
    else:
        path.write_text("".join(json.dumps({"words": text}) + "\n" for text in texts))
    return path


def hub(**changes: object) -> HuggingFace:
    given = {
        "repository": "json", "name": None, "split": "train", "revision": None,
        "field": "words", "data_files": None, "max_documents": None,
    }  # fmt: skip
    return HuggingFace(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_every_row_is_a_document(tmp_path: Path, suffix: str) -> None:
    path = write_rows(tmp_path / f"rows{suffix}", TEXTS)
    source = LocalFiles(paths=[str(path)], field="words")
    assert documents(source) == TEXTS
    other = LocalFiles(paths=[str(write_rows(tmp_path / f"other{suffix}", TEXTS))], field="words")
    assert source.version() == other.version()
    write_rows(path, [*TEXTS, "more"])
    assert source.version() != other.version()


def test_patterns_are_taken_in_their_order_and_files_by_name(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "z.md"):
        (tmp_path / name).write_text(name)
    source = LocalFiles(paths=[f"{tmp_path}/*.md", f"{tmp_path}/*.txt"], field="text")
    assert documents(source) == ["z.md", "a.txt", "b.txt"]


def test_the_hubs_reader_streams_what_the_files_hold(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", TEXTS)
    assert documents(hub(data_files=[str(path)])) == TEXTS
    assert documents(hub(data_files=[str(path)], max_documents=2)) == TEXTS[:2]
    versions = {hub(data_files=[str(path)], max_documents=n).version() for n in (1, 2, None)}
    assert len(versions) == 3


def test_the_hub_out_of_reach_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://localhost:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://localhost:9")
    source = hub(repository="HuggingFaceFW/fineweb", name="sample-10BT", field="text")
    for ask in (source.version, lambda: list(source.pieces())):
        with pytest.raises(ValueError, match=r"cannot read 'HuggingFaceFW/fineweb' .*network"):
            ask()


def test_a_pinned_commit_is_not_looked_up() -> None:
    assert hub(repository="no/where", revision="0" * 40).version()


def test_the_library_is_there_sorted_and_without_tests() -> None:
    modules = PythonLibrary(content="sources")._modules()
    names = [name for name, _ in modules]
    assert names == sorted(names)
    assert {"abc", "json.decoder", "unittest.mock"} <= set(names)
    assert not any("test" in name.split(".") for name in names)
    assert (PythonLibrary(content="sources").total_bytes() or 0) > 5_000_000


def test_a_module_is_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdlib_module_names", frozenset({"json", "abc"}))
    sources = PythonLibrary(content="sources")
    assert documents(sources)[0] == inspect.getsource(abc)
    assert len(documents(sources)) == len(list(Path(json.__file__).parent.glob("*.py"))) + 1
    docstrings = documents(PythonLibrary(content="docstrings"))
    assert docstrings[0].startswith(f"{inspect.getdoc(abc)}\n\n")
    assert inspect.getdoc(json.JSONDecoder) in "".join(docstrings)
    assert "class ABC" not in docstrings[0]
    assert PythonLibrary(content="docstrings").version() != sources.version()


@pytest.mark.parametrize("piece_characters", [3, 7, 1 << 18])
def test_pieces_put_together_are_the_document(
    monkeypatch: pytest.MonkeyPatch, piece_characters: int
) -> None:
    monkeypatch.setattr(cutting, "PIECE_CHARACTERS", piece_characters)
    text = prose(0, 50).replace(" ", "\n")
    cut = list(pieces([text[:40], text[40:45], text[45:]]))
    assert "".join(piece.text for piece in cut) == text
    assert max(len(piece.text) for piece in cut) <= piece_characters or piece_characters > 1000
    assert [piece.ends_document for piece in cut] == [False] * (len(cut) - 1) + [True]


def test_what_is_not_utf8_is_named_with_its_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "latin.txt"
    good = "é".encode() * (BLOCK_BYTES // 2 - 1) + b"x"  # the next character spans two blocks
    path.write_bytes(good + "é".encode() + b"na\xefve")
    with pytest.raises(ValueError, match=rf"latin\.txt is not UTF-8: byte {len(good) + 4:,} "):
        list(blocks_of_utf8(path))
    path.write_bytes(b"cut \xc3")
    with pytest.raises(ValueError, match=r"not UTF-8: byte 4 \(unexpected end"):
        list(blocks_of_utf8(path))
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(b'{"words": "a"}\n{"words": "\xff"}\n')
    with pytest.raises(ValueError, match=r"rows\.jsonl is not UTF-8: byte 26 "):
        documents(LocalFiles(paths=[str(rows)], field="words"))


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", TEXTS)
    with pytest.raises(ValueError, match=r"has no 'text', it holds \['n', 'words'\]"):
        documents(LocalFiles(paths=[str(path)], field="text"))


@pytest.mark.parametrize("paths", [[], "a.txt"])
def test_paths_must_be_a_list(paths: object) -> None:
    with pytest.raises(ValueError, match="must be a list of files"):
        LocalFiles(paths=paths, field="text")  # type: ignore[arg-type]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file is called 'nowhere/x\.txt'"):
        LocalFiles(paths=["nowhere/x.txt"], field="text").version()


@pytest.mark.parametrize("content", ["", "short"])
def test_an_empty_corpus(tmp_path: Path, make_recipe: MakeRecipe, content: str) -> None:
    (tmp_path / "small.txt").write_text(content)
    with pytest.raises(ValueError, match=r"the corpus is empty: 1 documents with \d tokens"):
        prepared(make_recipe(paths=[str(tmp_path / "small.txt")]))


def test_tokenisers_that_do_not_fit(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    with pytest.raises(ValueError, match=r"only \d+ symbols: task.tokeniser.vocab_size=60000"):
        prepared(make_recipe(tokeniser=bpe(60_000)))
    corpus = prepared(make_recipe(tokeniser=bpe(300)))
    path = str(corpus.folder / "tokeniser.json")
    same = prepared(make_recipe(tokeniser=TokeniserFile(path=path, vocab_size=300)))
    assert same.text(np.arange(9)) == corpus.text(np.arange(9))
    with pytest.raises(ValueError, match=r"has 300 symbols, task\.tokeniser\.vocab_size says 512"):
        prepared(make_recipe(tokeniser=TokeniserFile(path=path, vocab_size=512)))
    with pytest.raises(ValueError, match=r"there is no file 'nowhere\.json'"):
        prepared(make_recipe(tokeniser=TokeniserFile(path="nowhere.json", vocab_size=None)))
    with pytest.raises(ValueError, match="must name a tokenizer"):
        TokeniserFile(path=None, vocab_size=None)  # type: ignore[arg-type]
    (tmp_path / "no.json").write_text('{"model": 3}')
    wrong = TokeniserFile(path=str(tmp_path / "no.json"), vocab_size=None)
    with pytest.raises(ValueError, match=r"no\.json is not a tokenizer\.json"):
        prepared(make_recipe(tokeniser=wrong))
