"""Every command that the pages show is carried out, in the order of its page, with few steps.

Elsewhere: `host=slurm` in tests/slurm/test_pages.py, the hub's data in tests/tasks.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.pages import PAGES, ROOT, commands, name
from tests.docs.world import World
from tests.tracking.wandb_server import Server

from rote.tasks.text.sources import PythonLibrary

HUB = ["rote", "train", "task=fineweb"]
README_LAST = sorted(PAGES, key=lambda page: page.name == "README.md")  # it shows what pages make
OURS = [page for page in README_LAST if any(words[0] == "rote" for words in commands(page))]
pytestmark = [pytest.mark.timeout(1800), pytest.mark.long]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, preloaded_workers: None) -> Iterator[World]:
    """One for all pages: what a page has run another need not."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as monkeypatch, Server() as server:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_CACHE_DIR", str(folder / "cache"))
        modules = PythonLibrary(content="sources")._modules()[::4]  # parsing all takes 10 seconds
        monkeypatch.setattr(PythonLibrary, "_modules", lambda _: modules)
        world = World(folder)
        world.furnish()
        yield world
        server.shutdown()


@pytest.mark.parametrize("page", OURS, ids=name)
def test_commands_of_a_page(page: Path, world: World) -> None:
    world.turn_page()
    for command in commands(page):
        if command[0] == "rote" and command != HUB:
            world.carry_out(command)


def test_what_pages_make_is_carried_out_here_or_by_continuous_integration() -> None:
    shown = {
        word
        for page in PAGES
        for words in commands(page)
        if words[0] == "make"
        for word in words[1:]
    }
    steps = (ROOT / ".ci" / "run").read_text().splitlines()
    rules = (ROOT / "Makefile").read_text()
    here = {" ".join(command) for page in OURS for command in commands(page)}
    for target in shown - {step.removeprefix("make ") for step in steps}:
        (rule,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", rules, re.MULTILINE)
        assert {line.strip().removeprefix("$(BIN)/") for line in rule.splitlines()} <= here, target
