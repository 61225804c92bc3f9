"""Commands in a world that may be damaged: none raises, hangs, or touches what is sound."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rote.cli.main import main
from rote.cluster.host import Launch
from rote.cluster.local import LocalHost
from rote.site.site import build_site
from tests.damage import world

SECONDS = 20


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


Rote = Callable[..., Said]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, copied for each test."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("damage") / "template"
        folder.mkdir()
        monkeypatch.chdir(folder)
        made = world.make(folder / "world")
        build_site(made / "outputs")
        return made


@pytest.fixture
def outputs(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A world of its own, in whose folder commands run; nothing in it trains."""
    copied = world.copy(template, tmp_path / "world")
    monkeypatch.chdir(copied.parent)
    monkeypatch.setenv("ROTE_OUTPUTS", str(copied))
    monkeypatch.setattr(LocalHost, "detached", True)
    monkeypatch.setattr(LocalHost, "launch", lambda host, order: Launch((), len(order.todo), True))
    return copied


@pytest.fixture
def rote(capsys: pytest.CaptureFixture) -> Iterator[Rote]:
    """Runs a command in this process; one that takes this long hangs."""

    def run(*words: str) -> Said:
        capsys.readouterr()
        signal.alarm(SECONDS)
        try:
            code = main(list(words))
        finally:
            signal.alarm(0)
        said = capsys.readouterr()
        assert "Traceback (most recent" not in said.err
        if code == 2:
            assert said.err.count("\n") == 1, said.err
        return Said(code, said.out, said.err)

    def hang(*_: object) -> None:
        raise AssertionError(f"no answer in {SECONDS} s")

    before = signal.signal(signal.SIGALRM, hang)
    yield run
    signal.signal(signal.SIGALRM, before)
