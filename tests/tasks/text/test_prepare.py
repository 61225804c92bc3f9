"""What a prepared corpus holds, and that it is whole or not there at all."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.tasks.text.conftest import LENGTH, WORDS, MakeRecipe, bpe, prepared, prose

from rote.core.progress import no_progress
from rote.tasks.text import duplicates, pipeline
from rote.tasks.text.prepare import PreparedText, prepare
from rote.tasks.text.prepared import Prepared, open_prepared
from rote.tasks.text.sources import LocalFiles
from rote.tasks.text.tokenisers import load

GOLDEN = {  # a change of any of these is meant: raise VERSION in recipe.py
    "bytes": "text-cc5eb3142ed0ba5a",
    "bpe": "text-fc50e83c635b5405",
}


def rows(corpus: Prepared) -> list[bytes]:
    """Its windows, comparable."""
    return [row.tobytes() for row in corpus.tokens(np.arange(corpus.num_windows))]


def windows_by_hand(paths: list[str]) -> list[bytes]:
    """Byte-level windows of each document, tails dropped, in the order of the documents."""
    found = []
    for path in paths:
        data = Path(path).read_bytes()
        found += [data[at : at + LENGTH] for at in range(0, len(data) - LENGTH + 1, LENGTH)]
    return found


def test_windows_are_cut_inside_documents_and_every_window_is_there_once(
    files: list[str], make_recipe: MakeRecipe
) -> None:
    planted = Path(files[0]).read_bytes()
    Path(files[2]).write_bytes(planted[:160] + b"x" * 5 + planted[160:])  # 10 windows once more
    corpus = prepared(make_recipe())
    by_hand = windows_by_hand(files)
    kept = list(dict.fromkeys(by_hand))
    assert len(by_hand) - len(kept) >= 10
    found = corpus.tokens(np.arange(corpus.num_windows))
    assert [bytes(row.astype(np.uint8)) for row in found] == kept
    counts = corpus.manifest["counts"]
    assert counts["exact_duplicates_removed"] == len(by_hand) - len(kept)
    sizes = [len(Path(path).read_bytes()) for path in files]
    assert counts["tokens"] == counts["bytes"] == sum(sizes)
    assert counts["tokens_outside_windows"] == sum(size % LENGTH for size in sizes)
    first_of_each = [by_hand.index(window) for window in kept]
    number_of = np.repeat([0, 1, 2], [size // LENGTH for size in sizes])
    assert corpus.documents().tolist() == number_of[first_of_each].tolist()


def test_different_windows_of_one_hash_are_all_kept(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, outputs: Path
) -> None:
    right = rows(prepared(make_recipe()))
    shutil.rmtree(outputs)
    monkeypatch.setattr(
        duplicates, "window_hashes", lambda tokens_PL: (tokens_PL[:, 0] % 3).astype(np.uint64)
    )
    assert rows(prepared(make_recipe())) == right


@pytest.mark.parametrize("part_bytes", [1, 100, 1 << 24])
def test_parts_of_any_size_give_the_same(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, part_bytes: int, files: list[str]
) -> None:
    monkeypatch.setattr(duplicates, "PART_BYTES", part_bytes)
    monkeypatch.setattr(pipeline, "BATCH_CHARACTERS", 1 + part_bytes // 10)
    found = [bytes(row.astype(np.uint8)) for row in _all(prepared(make_recipe()))]
    assert found == list(dict.fromkeys(windows_by_hand(files)))


def _all(corpus: Prepared) -> np.ndarray:
    return corpus.tokens(np.arange(corpus.num_windows))


def test_the_first_window_of_each_document_alone(files: list[str], make_recipe: MakeRecipe) -> None:
    corpus = prepared(make_recipe(windows="first"))
    assert [bytes(row.astype(np.uint8)) for row in _all(corpus)] == [
        Path(path).read_bytes()[:LENGTH] for path in files
    ]


def test_near_duplicates_go_where_that_is_asked(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    texts = [prose(seed, 100, WORDS)[:64] for seed in range(30)]
    like = texts[3][:60] + "!!!!"  # 56 of its 60 shingles are those of the other
    (tmp_path / "near.jsonl").write_text("".join(f'{{"text": "{t}"}}\n' for t in [*texts, like]))
    recipe = {"paths": [str(tmp_path / "near.jsonl")], "length": 64}
    assert prepared(make_recipe(**recipe)).num_windows == len(texts) + 1
    corpus = prepared(make_recipe(**recipe, near_duplicate_threshold=0.7))
    assert corpus.manifest["counts"]["near_duplicates_removed"] == 1
    assert like not in corpus.text(np.arange(corpus.num_windows))


@pytest.mark.parametrize("piece_characters", [50, 1 << 18])
def test_bpe_loses_nothing(
    files: list[str],
    make_recipe: MakeRecipe,
    monkeypatch: pytest.MonkeyPatch,
    piece_characters: int,
) -> None:
    monkeypatch.setattr("rote.tasks.text.sources.PIECE_CHARACTERS", piece_characters)
    recipe = make_recipe(tokeniser=bpe(), length=1)
    corpus = prepared(recipe)
    encoder = load(corpus.folder)
    text = Path(files[0]).read_text() + "\n\tunseen: ÄÖ ∀x\x00"
    (tokens,) = encoder.encode([text])
    assert encoder.decode(tokens[None]) == [text]
    assert len(tokens) < 0.7 * len(text.encode())
    assert corpus.vocab_size == encoder.vocab_size == 300


def test_what_is_read_is_what_was_written(files: list[str], make_recipe: MakeRecipe) -> None:
    corpus = prepared(make_recipe(paths=files[:1], tokeniser=bpe()))
    told = "".join(corpus.text(np.arange(corpus.num_windows)))
    # Where a window cuts a character, both windows have U+FFFD in its place.
    assert told.replace("\ufffd", "")[:200] in Path(files[0]).read_text() or "\ufffd" in told
    assert corpus.tokens(np.array([2, 0])).shape == (2, LENGTH)
    assert corpus.tokens(np.array([2, 0])).dtype == np.int64


CHILD = """
import os, signal, sys
from rote.tasks.text import pipeline
from rote.tasks.text.prepare import prepare
from rote.tasks.text.recipe import Recipe
from rote.tasks.text.sources import LocalFiles
from rote.tasks.text.tokenisers import Bytes, TrainedBPE
pipeline.BATCH_CHARACTERS = 500
kind, deadly, *paths = sys.argv[1:]
stage, _, times = deadly.partition(":")
seen = []
def progress(what, done, total):
    seen.append(what)
    if stage and what.startswith(stage) and seen.count(what) == int(times or 1):
        os.kill(os.getpid(), signal.SIGKILL)
tokeniser = Bytes() if kind == "bytes" else TrainedBPE(vocab_size=300, train_bytes=1 << 20)
recipe = Recipe(source=LocalFiles(paths=paths, field="text"), tokeniser=tokeniser, length=16,
                windows="all", near_duplicate_threshold=None)
print(prepare(recipe, progress), seen.count("tokenising text"))
"""


def in_another_process(
    kind: str, paths: list[str], deadly: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, kind, deadly, *paths],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("kind", ["bytes", "bpe"])
def test_the_same_text_has_the_same_id_everywhere(
    kind: str, files: list[str], tmp_path: Path, make_recipe: MakeRecipe
) -> None:
    moved = [shutil.copy(path, tmp_path / f"{number}.txt") for number, path in enumerate(files)]
    done = in_another_process(kind, moved, ROTE_OUTPUTS=str(tmp_path / "more"), PYTHONHASHSEED="7")
    recipe = make_recipe(tokeniser=bpe()) if kind == "bpe" else make_recipe()
    assert done.stdout.split()[0] == prepare(recipe, no_progress), done.stderr


@pytest.mark.parametrize("kind", ["bytes", "bpe"])
def test_ids_are_pinned(kind: str, tmp_path: Path, make_recipe: MakeRecipe) -> None:
    path = tmp_path / "golden.txt"
    path.write_text("".join(f"{n} and {n * n}, " for n in range(1000)))
    changes = {"tokeniser": bpe(280)} if kind == "bpe" else {}
    assert prepare(make_recipe(paths=[str(path)], **changes), no_progress) == GOLDEN[kind]


def test_everything_that_changes_windows_changes_the_id(
    files: list[str], make_recipe: MakeRecipe
) -> None:
    ids = [prepare(make_recipe(), no_progress), prepare(make_recipe(length=17), no_progress)]
    ids.append(prepare(make_recipe(windows="first"), no_progress))
    ids.append(prepare(make_recipe(near_duplicate_threshold=0.8), no_progress))
    ids += [prepare(make_recipe(tokeniser=bpe(size)), no_progress) for size in (280, 300)]
    ids.append(prepare(make_recipe(paths=files[::-1]), no_progress))
    Path(files[0]).write_text(Path(files[0]).read_text() + "!")
    ids.append(prepare(make_recipe(), no_progress))
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(("deadly", "num_batches"), [("tokenising text:3", 3), ("writing", 7)])
def test_a_killed_preparation_goes_on(
    deadly: str, num_batches: int, files: list[str], tmp_path: Path, outputs: Path
) -> None:
    killed = in_another_process("bytes", files, deadly=deadly)
    assert killed.returncode == -signal.SIGKILL
    assert not list(outputs.glob("corpora/text-*"))
    resumed = in_another_process("bytes", files)
    whole = in_another_process("bytes", files, ROTE_OUTPUTS=str(tmp_path / "more"))
    assert resumed.stdout.split()[0] == whole.stdout.split()[0]
    batches = int(whole.stdout.split()[1])
    assert int(resumed.stdout.split()[1]) == max(0, batches - num_batches)
    assert not list(outputs.glob("corpora/.*.part"))


def test_two_processes_prepare_once(files: list[str], outputs: Path) -> None:
    command = [sys.executable, "-c", CHILD, "bytes", "", *files]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = sorted(process.communicate()[0].split() for process in both)
    assert told[0][0] == told[1][0]
    assert min(int(batches) for _, batches in told) == 0 < max(int(b) for _, b in told)
    assert len(list(outputs.glob("corpora/text-*"))) == 1


def test_a_full_disk_leaves_nothing_half_written(
    make_recipe: MakeRecipe, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def full(stream: object) -> None:
        calls.append(stream)
        if len(calls) > 2:  # the windows are there, the prepared file is not
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pipeline, "_sync", full)
    with pytest.raises(ValueError, match=r"no space is left for the corpus in .*corpora"):
        prepare(make_recipe(), no_progress)
    assert not list(outputs.glob("corpora/text-*"))
    monkeypatch.undo()
    monkeypatch.setenv("ROTE_OUTPUTS", str(outputs))
    assert prepared(make_recipe()).num_windows > 0


def test_a_worker_without_the_corpus_prepares_it_again_and_refuses_another(
    files: list[str], make_recipe: MakeRecipe, outputs: Path
) -> None:
    corpus = prepare(make_recipe(), no_progress)
    pinned = PreparedText(recipe=make_recipe(), corpus=corpus)
    shutil.rmtree(outputs)
    assert pinned.open_or_make(no_progress) == corpus
    Path(files[1]).write_text("Somebody has been here. " * 40)
    assert pinned.open_or_make(no_progress) == corpus  # as it was prepared
    with pytest.raises(ValueError, match=f"the corpus has changed: task.corpus={corpus}"):
        pinned(no_progress)
    shutil.rmtree(outputs)
    with pytest.raises(ValueError, match="the corpus has changed"):
        pinned.open_or_make(no_progress)


def test_the_same_text_from_another_place_is_the_same_corpus(
    files: list[str], tmp_path: Path, make_recipe: MakeRecipe, outputs: Path
) -> None:
    moved = [shutil.copy(path, tmp_path / f"moved{n}.txt") for n, path in enumerate(files)]
    other = make_recipe(paths=moved, tokeniser=bpe(), windows="all")
    assert prepare(other, no_progress) == prepare(make_recipe(tokeniser=bpe()), no_progress)
    assert len(list(outputs.glob("corpora/text-*"))) == 1


def test_a_corpus_may_be_brought_without_its_source(
    files: list[str], make_recipe: MakeRecipe
) -> None:
    corpus = prepare(make_recipe(), no_progress)
    for path in files:
        Path(path).unlink()
    pinned = PreparedText(recipe=make_recipe(), corpus=corpus)
    assert pinned(no_progress) == {"corpus": corpus}


def test_a_corpus_prepared_in_another_way_is_refused(make_recipe: MakeRecipe) -> None:
    corpus = prepare(make_recipe(), no_progress)
    other = PreparedText(recipe=make_recipe(length=8), corpus=corpus)
    with pytest.raises(ValueError, match="was prepared with length=16, the configuration says 8"):
        other.open_or_make(no_progress)


def test_a_damaged_corpus_is_told(make_recipe: MakeRecipe, outputs: Path) -> None:
    corpus = prepare(make_recipe(), no_progress)
    with (outputs / "corpora" / corpus / "tokens.bin").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ValueError, match=r"tokens\.bin is damaged"):
        open_prepared(corpus)
    with pytest.raises(ValueError, match="'text-none' is not prepared"):
        open_prepared("text-none")


def test_the_source_is_only_hashed_the_second_time(make_recipe: MakeRecipe) -> None:
    stages: list[str] = []
    recipe = make_recipe()
    first = prepare(recipe, lambda what, done, total: stages.append(what))
    assert "tokenising text" in stages
    stages.clear()
    assert prepare(recipe, lambda what, done, total: stages.append(what)) == first
    assert not stages
    assert LocalFiles(paths=recipe.source.paths, field="text") == recipe.source
