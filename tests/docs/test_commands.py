"""Every command that the pages show is one, as it stands: it parses, and its first point composes.

README and tutorial are carried out in test_typed.py, the page on one's own model in
test_your_model.py, the page on SLURM in tests/slurm.
"""

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cyclopts import CycloptsError
from tests.conftest import COMPOSER, points
from tests.docs.pages import DOCS, PAGES, ROOT, blocks, commands, name

from rote.cli.main import make_app
from rote.config.compose import OWN, Composer
from rote.config.grammar import parse
from rote.config.skeletons import write_skeleton
from rote.config.sweep import Grid, Sweep, load_sweep, with_overrides
from rote.core import own_modules

LAUNCHERS = ("hydra/launcher=rote_slurm", "hydra/launcher=rote_local")
TUNES = "hydra/sweeper=rote_optuna"
PARAMETERS = 100_000  # of every model: counting them would take torch


@pytest.fixture(autouse=True)
def _sweeps_of_the_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep file that a page writes is there, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own_modules._finder, "folders", [])
    for text in (text for page in PAGES for text in blocks(page, "yaml")):
        if written := re.match(r"# (sweeps/\w+\.yaml)\n", text):
            path = tmp_path / written[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_is_one(page: Path) -> None:
    typed = commands(page)
    writes = any(command[:2] == ["rote", "new"] for command in typed)
    composer = Composer() if writes else COMPOSER  # a composer reads once which choices there are
    for command in typed:
        try:
            check(command, composer)
        except (CycloptsError, ValueError) as error:
            pytest.fail(f"{name(page)}: {' '.join(command)}: {error}")


def check(command: list[str], composer: Composer = COMPOSER) -> None:
    program, *words = command
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words) <= set(targets), command
    elif program == "python":
        assert words[0].startswith("-") or (ROOT / words[0]).is_file(), command
    elif words[0] == "train":
        check_train(words[1:], composer)
    elif words[0] == "new":
        write_skeleton(*words[1:], folder=Path.cwd())
    else:
        check_parsed(words, composer)


def check_train(words: list[str], composer: Composer) -> None:
    if words[0] == "--spec":
        assert len(words) == 2, words
        return
    settings = [word for word in words if word not in ("-m", "--dry-run", *LAUNCHERS)]
    if TUNES in settings:
        check_search([word for word in settings if word != TUNES], composer)
        return
    if "-m" not in words:
        composer.config(settings)
        return
    chosen = [word.removeprefix("+sweep=") for word in settings if word.startswith("+sweep=")]
    rest = [word for word in settings if not word.startswith("+sweep=")]
    bare = Sweep(name="grid", question="", report="capacity", fixed={}, grid=Grid())
    compose_first(load_sweep(chosen[0]) if chosen else bare, rest, composer)


def check_search(words: list[str], composer: Composer) -> None:
    """Its first trial composes."""
    pytest.importorskip("optuna")
    from rote.cli.tuning import Search, TrialRuns, ask, space_of, study_of

    given: dict[str, Any] = {"num_trials": 20, "trials_at_once": 4, "seed": 0}
    of_sweeper = [word for word in words if word.startswith("hydra.sweeper.")]
    for override in parse(of_sweeper):
        given[override.key_or_group.removeprefix("hydra.sweeper.")] = override.value()
    search, rest = Search(**given), [word for word in words if word not in of_sweeper]
    space, fixed = space_of(rest, OWN)
    runs = TrialRuns(search, rest, fixed, OWN)
    runs.add(ask(study_of(search), space, 1))
    composer.config(runs.jobs[0])


def check_parsed(words: list[str], composer: Composer) -> None:
    _, bound, _ = make_app().parse_args(words)
    if words[0] == "sweep":
        overrides = bound.arguments.get("overrides", ())
        compose_first(load_sweep(bound.arguments["name"]), overrides, composer)


def compose_first(sweep: Sweep, overrides: Sequence[str], composer: Composer) -> None:
    """``host=mine`` is a file that the reader is told to write; it begins with slurm's keys."""
    given = ["host=slurm" if word == "host=mine" else word for word in overrides]
    changed = with_overrides(sweep, given)
    composer.config(next(points(changed, composer, lambda config: PARAMETERS)))


def test_commands_are_found() -> None:
    found = {" ".join(command) for page in PAGES for command in commands(page)}
    assert found >= {
        "make demo",
        "rote status demo",  # behind a pipe
        "rote report text_demo",  # behind &&
        "rote train --spec spec.yaml",  # behind an assignment
        "rote audit MODEL --members m.jsonl --nonmembers n.jsonl",  # behind srun
        "rote report leakage_demo",  # in a heading
        "rote sweep decay",  # a sweep that a page writes
    }


@pytest.mark.parametrize(
    "command",
    [
        ["rote", "sweep", "demo", "size=nobody"],
        ["rote", "train", "task.num_sequence=3"],
        ["rote", "train", "-m", "size=80k,185k", "precision=fp33"],
        ["rote", "status", "--fellow"],
        ["rote", "sweep", "no_such_sweep"],
    ],
    ids=" ".join,
)
def test_what_is_no_command_is_told(command: list[str]) -> None:
    with pytest.raises((CycloptsError, ValueError, AssertionError)):
        check(command)


@pytest.mark.parametrize("page", DOCS, ids=name)
def test_python_reads_and_its_imports_are_there(page: Path) -> None:
    for text in blocks(page, "python"):
        wanted = (ast.Import, ast.ImportFrom)
        imports = [each for each in ast.parse(text).body if isinstance(each, wanted)]
        exec(compile(ast.Module(body=list(imports), type_ignores=[]), name(page), "exec"), {})
