"""Ten thousand runs are told by a look at their folders, and each state is told apart.

What it takes: docs/performance.md.
"""

from dataclasses import replace
from pathlib import Path

from tests.conftest import MakeSpec, plan_of, point_of
from tests.inprocess import rote
from tests.ledger.test_store import RECORD

from rote.cluster.status import Jobs, labels, states
from rote.ledger.spec import Spec
from rote.ledger.store import RunFolder, Store

NUM_RUNS = 10_000


def finish(run: RunFolder) -> None:
    """As runs were finished before their files were sealed."""
    run.record_path.write_text(replace(RECORD, run_id=run.run_id, sealed=False).to_json())


def test_controls_tell_runs_apart_by_name(tiny: MakeSpec) -> None:
    specs = [
        tiny(),
        tiny("control=[goldfish]"),
        tiny("control=[goldfish]", "control.goldfish.k=5"),
        tiny("control=[deduplication]", "seed=1"),
    ]
    assert labels(specs) == [
        "seed=0",
        "seed=0 goldfish goldfish.h=13 goldfish.k=4",
        "seed=0 goldfish goldfish.h=13 goldfish.k=5",
        "seed=1 deduplication",
    ]


def test_a_class_is_told_as_what_it_is_of(tiny: MakeSpec) -> None:
    specs = [tiny("optim/schedule=linear"), tiny("optim/schedule=constant")]
    assert labels(specs) == ["schedule=linear", "schedule=constant"]


def test_axes_that_end_alike_are_told_apart(tiny: MakeSpec) -> None:
    specs = [tiny(), tiny("seed=1"), tiny()]
    for place in (0, 1):
        task = {**specs[place].what["task"], "split": {"seed": 7}}
        specs[place] = Spec(what={**specs[place].what, "task": task}, how=specs[place].how)
    assert labels(specs, [1, 2]) == ["split.seed=7 seed=1", "seed=0"]


def test_each_state_is_told(tiny: MakeSpec, store: Store) -> None:
    names = ["done", "failed", "waiting", "running"]
    plan = plan_of(point_of(tiny(), run_id=name) for name in names)
    for name in ("done", "failed", "running"):
        store.run(name).path.mkdir(parents=True)
    finish(store.run("done"))
    store.run("failed").fail("it broke", "in detail", {})
    store.run("running").append({"step": 7, "memorised_bits": 1.5})
    with store.run("running").claim():
        told = states(plan, store, Jobs({}))
    assert [run.state for run in told] == names
    assert told[1].reason == "it broke"
    assert (told[3].step, told[3].progress_text) == (7, "2 bits")
    silent = states(plan, store, Jobs({}, known=False))
    assert silent[2].state == "unknown"


def test_ten_thousand_runs_are_told(tmp_path: Path, tiny: MakeSpec) -> None:
    ids, spec = [f"{index:016x}" for index in range(NUM_RUNS)], tiny()
    points = (point_of(spec, run_id=run_id) for run_id in ids)
    plan_of(points, "many").save(tmp_path / "outputs")
    store = Store(tmp_path / "outputs")
    for index, run_id in enumerate(ids[:-1000]):
        run = store.run(run_id)
        run.path.mkdir(parents=True)
        if index % 10:
            finish(run)
        else:
            run.append({"step": 7, "memorised_bits": 1.5})
            run.lock_path.touch()
    for words in (["status"], ["status", "many"]):
        done = rote(tmp_path, *words)
        assert done.returncode == 0, done.stderr
        assert "8100" in done.stdout
