"""Small corpora that tests share."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rote.core.progress import Progress, no_progress
from rote.tasks.text.prepare import prepare
from rote.tasks.text.prepared import Prepared, open_prepared
from rote.tasks.text.recipe import Recipe
from rote.tasks.text.sources import LocalFiles
from rote.tasks.text.task import Text
from rote.tasks.text.tokenisers import Bytes, TrainedBPE

LENGTH = 16
WORDS = [
    *("the", "bits", "of", "a", "window", "that", "nobody", "has", "seen", "before", "tell"),
    *("more", "than", "its", "words", "do"),
]
BEYOND_ASCII = ["naïve", "日本語", "🙂"]

MakeRecipe = Callable[..., Recipe]
MakeText = Callable[..., Text]


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where text is prepared in this test."""
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


def prose(seed: int, num_words: int, words: Sequence[str] = (*WORDS, *BEYOND_ASCII)) -> str:
    """Words in random order."""
    choose = random.Random(seed)
    return " ".join(choose.choice(words) for _ in range(num_words))


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Three documents."""
    paths = [tmp_path / f"{name}.txt" for name in "abc"]
    for number, path in enumerate(paths):
        path.write_text(prose(number, 400))
    return [str(path) for path in paths]


@pytest.fixture
def make_recipe(files: list[str]) -> MakeRecipe:
    """Of the three documents at byte level, changed by keywords."""

    def make(paths: Sequence[str] = files, **changes: Any) -> Recipe:
        given = {
            "source": LocalFiles(paths=paths, field="text"),
            "tokeniser": Bytes(),
            "length": LENGTH,
            "windows": "all",
            "near_duplicate_threshold": None,
        }
        return Recipe(**(given | changes))

    return make


@pytest.fixture
def make_text(files: list[str]) -> MakeText:
    """A task on the three documents, changed by keywords; prepared."""

    def make(**changes: Any) -> Text:
        given = {
            "source": LocalFiles(paths=files, field="text"),
            "tokeniser": Bytes(),
            "length": LENGTH,
            "windows": "all",
            "near_duplicate_threshold": None,
            "split_by": "window",
            "split_seed": 0,
            "heldout_share": 0.1,
            "reference_share": 0.4,
            "pool": "train",
            "num_sequences": 20,
            "num_heldout_sequences": 5,
            "duplicated_fraction": 0.0,
            "repeats": 2,
            "corpus": None,
        }
        text = Text(**(given | changes))
        found = text.preparation()(no_progress)
        return Text(**(given | changes | found))

    return make


def prepared(recipe: Recipe, progress: Progress = no_progress) -> Prepared:
    """Made and opened."""
    return open_prepared(prepare(recipe, progress))


def bpe(vocab_size: int = 300) -> TrainedBPE:
    """Trained on all of a small corpus."""
    return TrainedBPE(vocab_size=vocab_size, train_bytes=1 << 20)
