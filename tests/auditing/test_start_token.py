"""What position 0 reads: the tokeniser's start, and a warning where others name another one."""

from pathlib import Path

import pytest
from tests.auditing.small_folders import audited, changed, saved, sides

from rote.models.tokeniser_process import NamedToken, chosen_start

DEFAULT = "the default of LlamaConfig is 1"


@pytest.mark.parametrize(
    ("config", "tokeniser", "options", "wanted", "expected"),
    [
        ({"bos_token_id": 7}, {}, [], 0, "that of the tokeniser; that of config.json is 7"),
        ({"bos_token_id": None, "eos_token_id": None}, {}, [], 0, DEFAULT),
        ({"bos_token_id": None}, {"bos_token": None}, [], 0, DEFAULT),
        ({"bos_token_id": 7}, {}, ["--start-token", "9"], 9, None),
    ],
)  # fmt: skip
def test_the_tokeniser_wins_and_the_page_says_so(
    config: dict, tokeniser: dict, options: list, wanted: int, expected: str | None,
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = saved(tmp_path / "model")
    changed(folder / "config.json", **config)
    changed(folder / "tokenizer_config.json", **tokeniser)
    numbers = audited(folder, tmp_path / "audits", [*sides(tmp_path), *options])
    assert numbers["model"]["start_token"] == wanted
    (page,) = tmp_path.glob("audits/*/audit.html")
    assert f"behind the start token {wanted}" in page.read_text()
    printed = capsys.readouterr().out
    if expected is None:
        assert numbers["model"]["start_token_note"] is None
        assert "start token" not in printed
    else:
        assert expected in numbers["model"]["start_token_note"]
        assert expected in printed
        assert expected in page.read_text()


class Config:
    """As a class of transformers fills it in."""

    bos_token_id, eos_token_id = 1, 2


@pytest.mark.parametrize(
    ("config", "tokeniser", "wanted", "has_note"),
    [
        ({}, None, 1, True),  # nothing but a class's default
        ({"bos_token_id": 1}, None, 1, False),
        ({}, NamedToken(begin=None, end=5), 5, True),
        ({}, NamedToken(begin=4, end=5), 4, True),
        ({"bos_token_id": 1}, NamedToken(begin=1, end=5), 1, False),
        ({"bos_token_id": 1}, NamedToken(begin=None, end=5), 1, False),
        ({"text_config": {"bos_token_id": 1}}, NamedToken(begin=3, end=None), 3, True),
        ({"eos_token_id": 2}, NamedToken(begin=None, end=None), 2, True),
        ({}, NamedToken(begin=None, end=None), None, False),
    ],
)
def test_who_names_it(
    config: dict, tokeniser: NamedToken | None, wanted: int | None, has_note: bool
) -> None:
    found = chosen_start(config, Config(), tokeniser)
    assert (None if found is None else found.token) == wanted
    assert bool(found and found.note) == has_note
