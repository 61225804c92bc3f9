"""A model of one's own package or folder: in a run, in jobs, resumed, used, from elsewhere."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from tests.conftest import TINY

from rote.cli.main import main
from rote.cluster.plan import load_plan
from rote.config import trust
from rote.config.folders import conf_folder
from rote.core import own_modules
from rote.ledger.store import Store

PACKAGE = """
from rote.models.gpt import GPT

class Mine(GPT):
    pass
"""
SWEEP = "question: own?\nreport: capacity\nfixed: {log.keep_weights: true}\n"
OWN = "model._target_=own_models.Mine"
IN_FOLDER = "of_this_folder.Mine"

pytestmark = pytest.mark.usefixtures("preloaded_workers")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where somebody works who has a package and a sweep of their own."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "own_models.py").write_text(PACKAGE)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "own.yaml").write_text(SWEEP)
    monkeypatch.syspath_prepend(str(tmp_path / "library"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("ROTE_ALLOW", raising=False)
    monkeypatch.delenv("ROTE_OUTPUTS", raising=False)
    yield tmp_path
    sys.modules.pop("own_models", None)


def rote(*words: str) -> tuple[int, str]:
    """A command in a process that has composed nothing before; what it says."""
    said = StringIO()
    with pytest.MonkeyPatch.context() as monkeypatch, contextlib.ExitStack() as streams:
        monkeypatch.setattr(trust, "_composed", set())
        monkeypatch.setattr(own_modules._finder, "folders", [])
        sys.modules.pop("of_this_folder", None)
        streams.enter_context(contextlib.redirect_stdout(said))
        streams.enter_context(contextlib.redirect_stderr(said))
        return main(words), said.getvalue()


def test_it_is_trained_resumed_and_used_where_it_was_composed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = rote("sweep", "own", OWN, *TINY, "budget.max_steps=3", "budget.check_every_steps=1")
    assert done[0] == 0, done[1]
    (name,) = (path.name for path in Path("outputs/sweeps").iterdir())
    run = Store(folder / "outputs").run(load_plan(folder / "outputs", name).run_ids[0])
    assert run.record().what["model"]["_target_"] == "own_models.Mine"

    # A later command, which composes nothing itself: it is remembered that this was composed here.
    run.path.rename(folder / "first")
    done = rote("resume", name)
    assert done[0] == 0, done[1]
    assert run.record().to_json() == (folder / "first" / "record.json").read_text()
    done = rote("compress", name, "--task-train", "-o", "out.rote")
    assert done[0] == 0, done[1]

    # Somebody else, to whom the outputs folder was given.
    shutil.rmtree("state")
    spec = str(run.spec_path)
    packing = ("compress", name, "--task-train", "-o", "more.rote")
    for words in (("resume", name), ("train", "--spec", spec), packing):
        code, said = rote(*words)
        assert code == 2
        assert "own_models.Mine, which is not allowed" in said and "ROTE_ALLOW=own_models" in said
    monkeypatch.setenv("ROTE_ALLOW", "own_models")
    assert rote("train", "--spec", spec)[0] == rote("resume", name)[0] == 0


def test_one_run_is_trained(folder: Path) -> None:
    done = rote("train", OWN, *TINY, "budget.max_steps=1", "budget.check_every_steps=1")
    assert done[0] == 0, done[1]


def test_a_model_of_the_current_folder_goes_into_jobs_and_comes_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("of_this_folder.py").write_text(PACKAGE)
    Path("conf/model").mkdir(parents=True)
    text = (conf_folder() / "model" / "gpt.yaml").read_text()
    Path("conf/model/mine.yaml").write_text(text.replace("rote.models.gpt.GPT", IN_FOLDER))
    steps = ("budget.max_steps=3", "budget.check_every_steps=1")
    done = rote("sweep", "own", "model=mine", "seed=0,1", *TINY, *steps)
    assert done[0] == 0, done[1]
    (name,) = (path.name for path in Path("outputs/sweeps").iterdir())
    run = Store(folder / "outputs").run(load_plan(folder / "outputs", name).run_ids[0])
    assert run.record().what["model"]["_target_"] == IN_FOLDER

    run.path.rename(folder / "first")
    for words in (("resume", name), ("compress", run.run_id, "--task-train", "-o", "out.rote")):
        done = rote(*words)
        assert done[0] == 0, done[1]
    assert run.record().to_json() == (folder / "first" / "record.json").read_text()

    # The outputs in another folder, which has a module of the same name.
    (folder / "other").mkdir()
    shutil.copy("of_this_folder.py", "other")
    monkeypatch.setenv("ROTE_OUTPUTS", str(folder / "outputs"))
    monkeypatch.chdir(folder / "other")
    for words in (("resume", name), ("train", "--spec", str(run.spec_path))):
        code, said = rote(*words)
        assert code == 2
        assert f"{IN_FOLDER}, whose module is neither installed nor one that you have" in said
    shutil.rmtree(folder / "state")
    code, said = rote("train", "--spec", str(run.spec_path))
    assert code == 2
    assert f"{IN_FOLDER}, which is not allowed to run" in said
