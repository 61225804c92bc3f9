"""Every command that the pages show is carried out, in the order of its page, with few steps.

Elsewhere: `make` by .ci/run, `host=` and srun by tests/slurm, the hub's data by tests/tasks.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.pages import PAGES, ROOT, commands, name
from tests.docs.world import World
from tests.tracking.wandb_server import Server

HUB = ["rote", "train", "task=fineweb"]
README_LAST = sorted(PAGES, key=lambda page: page.name == "README.md")  # it shows what pages make
OURS = [page for page in README_LAST if any(words[0] == "rote" for words in commands(page))]
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all pages: what a page has run another need not."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as monkeypatch, Server() as server:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_CACHE_DIR", str(folder / "cache"))
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


def test_what_make_does_is_done_by_continuous_integration() -> None:
    shown = {
        word
        for page in PAGES
        for words in commands(page)
        if words[0] == "make"
        for word in words[1:]
    }
    done = (ROOT / ".ci" / "run").read_text()
    assert [word for word in shown if f"make {word}\n" not in done] == []
