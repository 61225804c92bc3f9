"""README and tutorial are carried out as they stand, their budgets scaled by one variable.

All other pages are parsed and composed in test_commands.py; the page on SLURM is carried out on the
cluster in tests/slurm/test_pages.py.
"""

import re
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, commands, name
from tests.docs.reader import Reader

from rote.config.budget_scale import VARIABLE

TYPED = [ROOT / "README.md", ROOT / "docs" / "tutorial.md"]
SCALE = "0.0003"  # of a million steps 300, of the demo's 8,000 two


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", TYPED, ids=name)
def test_commands_of_a_page(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preloaded_workers: None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROTE_OUTPUTS", raising=False)
    monkeypatch.setenv(VARIABLE, SCALE)
    reader = Reader(tmp_path)
    reader.furnish()
    for command in commands(page):
        if command[0] == "rote":
            reader.type(command)


def test_what_pages_make_is_a_target_of_the_makefile() -> None:
    rules = (ROOT / "Makefile").read_text()
    for page in TYPED:
        for words in commands(page):
            for target in words[1:] if words[0] == "make" else ():
                assert re.search(rf"^{target}:", rules, re.MULTILINE), target
