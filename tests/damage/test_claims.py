"""One process writes a run, whatever is deleted under it; what can be rebuilt is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rote.cluster.journal import Journal
from rote.cluster.liveness import last_attempt, record_attempt
from rote.cluster.preemption import StopFlag
from rote.cluster.worker import Assignment, _Worker
from rote.ledger.claim import ClaimLost, RunIsTaken
from rote.ledger.store import RunFolder, Store
from rote.run.execute import execute
from rote.training.training_run import Interrupted
from tests.conftest import MakeSpec
from tests.damage import world
from tests.damage.conftest import Rote


class AtFirstRow:
    """An observer that does something once, while the run trains."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act, self.rows = act, 0

    def row(self, row: dict[str, float]) -> None:
        self.rows += 1
        if self.rows == 1:
            self.act()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


@pytest.fixture
def run(store: Store) -> RunFolder:
    folder = store.run("0123456789abcdef")
    folder.path.mkdir(parents=True)
    return folder


def test_a_deleted_lock_that_nobody_took_is_made_again(run: RunFolder) -> None:
    with run.claim() as claim:
        run.lock_path.unlink()
        assert not run.is_claimed()
        claim.renew()
        assert run.is_claimed()
        with pytest.raises(RunIsTaken), run.claim():
            pass
    assert not run.is_claimed()


def test_a_deleted_lock_that_another_took_ends_the_first(run: RunFolder) -> None:
    with run.claim() as first:
        run.lock_path.unlink()
        with run.claim() as second:
            with pytest.raises(ClaimLost, match="lock of run 0123456789abcdef was replaced"):
                first.renew()
            second.renew()


def test_a_run_that_another_had_in_between_is_not_gone_on_with(run: RunFolder) -> None:
    run.curve_path.write_text("")
    with run.claim() as first:
        first.watch(run.curve_path)
        run.lock_path.unlink()
        with run.claim():
            run.curve_path.unlink()
            run.curve_path.write_text("another's")
        with pytest.raises(ClaimLost, match="was deleted or replaced while"):
            first.renew()


def test_two_processes_never_write_one_curve(tiny: MakeSpec, store: Store) -> None:
    spec = tiny()
    run = store.run(spec.run_id)
    others = []

    def take() -> None:
        run.lock_path.unlink()
        others.append(run.claim().__enter__())

    observer = AtFirstRow(take)
    with pytest.raises(ClaimLost):
        execute(spec, store, [observer])
    assert observer.rows == 1
    assert len(run.curve()) == 1
    assert run.failure() is None
    assert not run.is_done()
    others[0].__exit__(None, None, None)
    whole = execute(spec, store)
    assert len(run.curve()) == 3
    assert whole.training["steps"] == 30


def test_everything_deleted_under_a_run_but_its_curve_ends_in_a_record(
    tiny: MakeSpec, store: Store
) -> None:
    spec = tiny()
    run = store.run(spec.run_id)

    def delete() -> None:
        for path in (run.lock_path, run.path / "spec.yaml"):
            path.unlink()

    execute(spec, store, [AtFirstRow(delete)])
    assert run.damage(thorough=True) is None
    assert "spec.yaml" not in json.loads((run.path / "seal.json").read_text())["files"]


@pytest.mark.parametrize("damage", ["garbage", "a list"])
def test_a_curve_is_written_anew_from_the_checkpoint(
    tiny: MakeSpec, store: Store, tmp_path: Path, damage: str
) -> None:
    spec = tiny()
    run = store.run(spec.run_id)
    steps = []
    with pytest.raises(Interrupted):
        execute(spec, store, stop=lambda: len(steps) > 11 or bool(steps.append(0)))
    world.DAMAGES[damage](run.curve_path)
    execute(spec, store)
    execute(spec, Store(tmp_path / "whole"))
    whole = Store(tmp_path / "whole").run(spec.run_id)
    assert run.curve_path.read_bytes() == whole.curve_path.read_bytes()
    assert run.record_path.read_bytes() == whole.record_path.read_bytes()


@pytest.mark.parametrize("damage", world.DAMAGES)
def test_a_worker_takes_up_what_can_be_rebuilt_and_leaves_the_rest(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", "1")
    for name in ("curve.jsonl", "worker.json", "lock"):
        run = world.run_of(outputs, 3)
        path = run.path / name
        world.DAMAGES[damage](path)
        assignment = Assignment(
            stacks=(), outputs=str(outputs), retry_failures={}, runs_at_once=1, code={}
        )
        worker = _Worker(assignment, StopFlag(), outputs)
        if worker._is_begun(run):
            assert (last_attempt(run) or {})["log"] == str(outputs / "1_0_log.err")
        else:
            assert worker.failed == [run.run_id]
            assert "move it away" in (run.failure() or {})["reason"]
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)


def test_the_death_of_a_run_whose_notes_are_damaged_is_noted(run: RunFolder, monkeypatch) -> None:
    from rote.cluster.liveness import record_kill

    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", "1")
    (run.path / "worker.json").write_text("{}")
    record_kill(run, "it was killed")
    assert (last_attempt(run) or {})["death"] == "it was killed"
    record_attempt(run, run.path)
    assert "death" not in (last_attempt(run) or {})


def test_a_journal_that_is_deleted_while_jobs_are_sent_still_knows_them(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    submission = journal.begin(host="here", job_name="")
    journal.path.unlink()
    journal.sent(submission, {"7": ["a"]}, {})
    assert [one.jobs for one in journal.submissions()] == [{"7": ("a",)}]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plan.json", ["sweep", "own"]),
        ("plan.json", ["resume", "own"]),
        ("plan.json", ["status", "own"]),
        ("jobs.json", ["sweep", "own"]),
        ("jobs.json", ["cancel", "own"]),
        ("jobs.json", ["status"]),
        ("lock", ["sweep", "own"]),
        ("lock", ["cancel", "own"]),
    ],
)
@pytest.mark.parametrize("damage", ["a folder", "a fifo", "a link to nothing"])
def test_the_way_out_is_said_where_a_file_of_a_sweep_is_none(
    outputs: Path, rote: Rote, name: str, words: list[str], damage: str
) -> None:
    path = outputs / "sweeps" / "own" / name
    world.DAMAGES[damage](path)
    said = rote(*words)
    if said.code == 0 or ("sweep" in words and name == "plan.json" and damage != "a folder"):
        assert path.is_file()  # written anew in its place
        return
    assert said.code == 2
    assert str(path) in said.err
    assert "move it away" in said.err


def test_runs_that_no_known_job_trains_are_named_by_cancel(outputs: Path, rote: Rote) -> None:
    run = world.run_of(outputs, 3)
    (outputs / "sweeps" / "own" / "jobs.json").unlink()
    with run.claim():
        said = rote("cancel", "own")
    assert said.code == 2
    assert f"1 runs ({run.run_id}) are trained by processes that jobs.json" in said.err


def test_a_sweep_whose_launch_is_refused_keeps_the_plan_that_it_had(
    outputs: Path, rote: Rote, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rote.cluster.local import LocalHost

    def refuse(*_: object) -> None:
        raise ValueError("not today")

    monkeypatch.setattr(LocalHost, "launch", refuse)
    folder = outputs / "sweeps" / "own"
    (folder / "jobs.json").unlink()
    assert rote("resume", "own").code == 2
    assert (folder / "plan.json").is_file()


def test_a_changed_plan_is_not_launched(outputs: Path, rote: Rote) -> None:
    path = outputs / "sweeps" / "own" / "plan.json"
    content = json.loads(path.read_text())
    content["points"][3]["what"]["seed"] = 99
    path.write_text(json.dumps(content))
    said = rote("resume", "own")
    assert said.code == 2
    assert "the plan of 'own' was changed" in said.err
