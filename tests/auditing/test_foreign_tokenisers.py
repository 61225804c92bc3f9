"""A tokeniser of somebody else that panics, never ends or fills the memory: one line, here too."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.auditing.small_folders import byte_tokeniser, saved

from rote.auditing.targets import CheckpointTarget
from rote.tasks.text.tokenisers import TokeniserFile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return saved(tmp_path / "model")


def pre_tokeniser(pattern: str) -> Callable[[dict], None]:
    def change(tokeniser: dict) -> None:
        tokeniser["pre_tokenizer"] = {
            "type": "Split",
            "pattern": {"Regex": pattern},
            "behavior": "Isolated",
            "invert": False,
        }

    return change


def replacement(tokeniser: dict) -> None:
    tokeniser["normalizer"] = {
        "type": "Replace",
        "pattern": {"String": "a"},
        "content": "b" * 10**7,
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (pre_tokeniser(r"(\w+\s?)+$"), "its tokeniser fails: Onig: Regex search error"),
        (pre_tokeniser(r"(a"), "its tokeniser cannot be read: "),
        (pre_tokeniser(r"\w*\d"), "its tokeniser works on an answer without an end"),
        (replacement, "its tokeniser "),
        (lambda tokeniser: tokeniser.clear(), "its tokeniser cannot be read: "),
        (lambda tokeniser: tokeniser.update(model=3), "its tokeniser cannot be read: "),
    ],
)
def test_tokenisers_that_do_not_answer_are_ended(
    folder: Path, change: Callable[[dict], None], expected: str, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("rote.models.tokeniser_process.ANSWER_SECONDS", 1)
    monkeypatch.setattr("rote.models.tokeniser_process.CHARACTERS_PER_SECOND", 1e9)
    monkeypatch.setattr("rote.models.tokeniser_process.MEMORY_BYTES", 1 << 30)
    tokeniser = json.loads((folder / "tokenizer.json").read_text())
    change(tokeniser)
    (folder / "tokenizer.json").write_text(json.dumps(tokeniser))
    with pytest.raises(ValueError) as caught:
        found = CheckpointTarget(folder, start_token=None, allow_pickle=False)
        capfd.readouterr()
        found.encode(["words of many letters " * 20 + "?", "a" * 200_000])
    assert expected in str(caught.value) and len(str(caught.value).splitlines()) == 1
    assert "panicked" not in capfd.readouterr().err


def test_a_tokeniser_that_panics_in_training_is_refused(tmp_path: Path) -> None:
    byte_tokeniser().save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    tokeniser = json.loads(path.read_text())
    pre_tokeniser(r"(\w+\s?)+$")(tokeniser)
    path.write_text(json.dumps(tokeniser))
    encoder = TokeniserFile(path=str(path), vocab_size=None).encoder(iter(()))
    with pytest.raises(ValueError, match="the tokeniser fails on the text: Onig"):
        encoder.encode(["words of many letters " * 20 + "?"])
