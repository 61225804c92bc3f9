"""What is filled in before a run has its id: once for a grid, and moving with the data."""

from pathlib import Path

import pytest
from tests.conftest import COMPOSER

from rote.cluster.planning import make_plan
from rote.config.data_resolver import DataResolver
from rote.config.sweep import Grid, Sweep
from rote.core.progress import no_progress
from rote.ledger.spec import Spec

SMALL = ("task.length=8", "task.num_sequences=20", "task.num_heldout_sequences=2")


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    path = tmp_path / "numbers.txt"
    path.write_text(" ".join(str(n) for n in range(500)))
    return path


def overrides(path: Path, *more: str) -> list[str]:
    return ["task=text", "task/source=files", f"task.source.paths=[{path}]", *SMALL, *more]


def pinned_spec(path: Path, *more: str) -> Spec:
    return Spec.from_config(
        DataResolver(no_progress).resolved(COMPOSER.config(overrides(path, *more)))
    )


def test_a_task_that_prepares_nothing_is_left_as_it_is() -> None:
    config = COMPOSER.config([])
    assert DataResolver(no_progress).resolved(config) == config
    broken = {**config, "task": {"_target_": "rote.nowhere.Nothing"}}
    assert DataResolver(no_progress).resolved(broken) == broken  # who builds it says what is wrong


def test_the_run_id_moves_with_the_content_alone(corpus: Path) -> None:
    before = pinned_spec(corpus)
    assert before.what["task"]["corpus"].startswith("text-")
    corpus.touch()
    assert pinned_spec(corpus).run_id == before.run_id
    corpus.write_text(corpus.read_text().replace("499", "498"))
    assert pinned_spec(corpus).run_id != before.run_id


def test_a_changed_corpus_is_refused_under_the_old_hash(corpus: Path) -> None:
    old = pinned_spec(corpus).what["task"]["corpus"]
    assert pinned_spec(corpus, f"task.corpus={old}").what["task"]["corpus"] == old
    corpus.write_text(corpus.read_text() + " and more than that")
    with pytest.raises(ValueError, match=f"the corpus has changed: task.corpus={old} is wanted"):
        pinned_spec(corpus, f"task.corpus={old}")


def test_a_task_inside_of_another_is_prepared_too(corpus: Path) -> None:
    small = [word.replace("task.", "task.base.") for word in SMALL]
    config = COMPOSER.config(
        [
            "task=canaries", "task@task.base=text", "task/source@task.base.source=files",
            f"task.base.source.paths=[{corpus}]", *small,
        ]
    )  # fmt: skip
    resolved = DataResolver(no_progress).resolved(config)["task"]
    alone = pinned_spec(corpus).what["task"]
    assert resolved["base"] == alone
    assert resolved["kinds"] == config["task"]["kinds"]


def test_a_grid_prepares_each_corpus_once_and_shows_it(corpus: Path) -> None:
    stages: list[str] = []
    sweep = Sweep(
        name="grid", question="?", report="capacity",
        fixed={
            "task": "text", "task/source": "files", "task.source.paths": [str(corpus)],
            "task.num_heldout_sequences": 2, "size": "demo_s", "budget": "demo",
        },
        grid=Grid(
            product={"task.length": [8, 16], "seed": [0, 1], "ratio": [1, 2]},
            derive={"task.num_sequences": "10 * ratio + P % 2"},
        ),
    )  # fmt: skip
    plan, _ = make_plan(sweep, COMPOSER, lambda what, done, total: stages.append(what))
    assert len(plan.points) == 8
    assert len({spec.what["task"]["corpus"] for spec in plan.specs}) == 2
    assert sum(stage == "tokenising text" for stage in stages) == 2
