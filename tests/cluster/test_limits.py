"""A sweep stops by itself at so many failures or GPU-hours, and says so."""

import json
from pathlib import Path

import pytest
from tests.inprocess import rote

from rote.cluster.health import damaged_files
from rote.cluster.limits import EVERY_SECONDS, LIMITS, Limits, Spending, reached, read_limits
from rote.core.progress import no_progress
from rote.io.read import Damaged
from rote.ledger.store import Store

SWEEP = """
question: Does it stop?
report: capacity
fixed:
  size: demo_s
  task.length: 8
  task.vocab_size: 16
  task.num_heldout_sequences: 4
  optim: adamw
  budget: demo
  budget.max_steps: 6
  budget.check_every_steps: 2
  log: none
  host.accelerator: cpu
  host.workers: 1
grid:
  product:
    task.num_sequences: [8]
    optim.optimiser.lr: [1.0e+9, 1.0e+8, 1.0e-3, 2.0e-3]
"""


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def fail(store: Store, run_id: str) -> None:
    run = store.run(run_id)
    run.path.mkdir(parents=True, exist_ok=True)
    run.fail("it broke", "", {})


def test_limits_that_are_not_given_stay(tmp_path: Path) -> None:
    assert read_limits(tmp_path) == Limits()
    Limits().write(tmp_path)
    assert not (tmp_path / LIMITS).exists()
    Limits(max_failures=3).write(tmp_path)
    Limits(max_gpu_hours=1.5).write(tmp_path)
    Limits(max_failures=5).write(tmp_path)
    assert read_limits(tmp_path) == Limits(5, 1.5)


def test_gpu_hours_of_all_jobs_add_up(tmp_path: Path) -> None:
    store, clock = Store(tmp_path / "outputs"), Clock()
    Limits(max_gpu_hours=3.0).write(tmp_path)
    jobs = [Spending(tmp_path, store, f"{n}", num_gpus=2, clock=clock) for n in range(2)]
    clock.seconds = 1800
    assert [job.is_over([]) for job in jobs] == [False, False]  # 1 and 1 hours
    clock.seconds = 2600
    assert not jobs[0].is_over([])
    clock.seconds = 2800
    assert jobs[1].is_over([])  # 1.44 and 1.56
    assert "3 GPU-hours are spent of 3 (--max-gpu-hours)" in (jobs[1].reason or "")
    assert Spending(tmp_path, store, "2", num_gpus=1, clock=clock).is_over([])


def test_a_requeued_job_adds_to_what_it_had_spent(tmp_path: Path) -> None:
    store, clock = Store(tmp_path / "outputs"), Clock()
    Limits(max_gpu_hours=1.0).write(tmp_path)
    first = Spending(tmp_path, store, "7", num_gpus=1, clock=clock)
    clock.seconds = 2000
    assert not first.is_over([])
    again = Spending(tmp_path, store, "7", num_gpus=1, clock=clock)
    clock.seconds = 4000
    assert again.is_over([])


def test_failures_are_counted_at_once_and_those_that_were_mended_no_more(tmp_path: Path) -> None:
    store, clock = Store(tmp_path / "outputs"), Clock()
    Limits(max_failures=2).write(tmp_path)
    job = Spending(tmp_path, store, "1", num_gpus=0, clock=clock)
    fail(store, "0" * 16)
    assert not job.is_over(["0" * 16])
    fail(store, "1" * 16)
    assert job.is_over(["0" * 16, "1" * 16])
    store.run("0" * 16).failure_path.unlink()
    assert reached(tmp_path, store) is None


def test_between_looks_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, clock = Store(tmp_path / "outputs"), Clock()
    Limits(max_failures=2).write(tmp_path)
    job = Spending(tmp_path, store, "1", num_gpus=0, clock=clock)
    monkeypatch.setattr("rote.cluster.limits.reached", lambda *_: pytest.fail("it looked"))
    clock.seconds = EVERY_SECONDS / 2
    assert not job.is_over([])


@pytest.mark.parametrize("content", ["{", '{"max_failures": "many", "max_gpu_hours": null}'])
def test_damaged_limits_are_named_and_stop_no_job(tmp_path: Path, content: str) -> None:
    (tmp_path / LIMITS).write_text(content)
    with pytest.raises(Damaged, match=r"limits\.json"):
        read_limits(tmp_path)
    job = Spending(tmp_path, Store(tmp_path / "outputs"), "1", num_gpus=1, clock=Clock())
    assert not job.is_over([])


def test_what_another_job_has_written_may_be_damaged_too(tmp_path: Path) -> None:
    sweep, store = tmp_path / "sweeps" / "own", Store(tmp_path)
    Limits(max_failures=1).write(sweep)
    (sweep / "spent").mkdir()
    (sweep / "spent" / "7.json").write_text('{"gpu_hours": 1.0, "failed": ["../runs"]}')
    (sweep / "plan.json").write_text("{}")
    with pytest.raises(Damaged, match=r"7\.json is damaged: failed\.0 must be a run id"):
        reached(sweep, store)
    assert not Spending(sweep, store, "1", num_gpus=1, clock=Clock()).is_over([])
    assert any("7.json is damaged" in line for line in damaged_files(tmp_path, no_progress))


@pytest.mark.parametrize(
    ("flag", "word"),
    [("--max-failures", "0"), ("--max-failures", "x"), ("--max-gpu-hours", "-1"),
     ("--max-gpu-hours", "inf"), ("--max-gpu-hours", "nan")],
)  # fmt: skip
def test_a_limit_out_of_range_is_one_line(tmp_path: Path, flag: str, word: str) -> None:
    done = rote(tmp_path, "sweep", "demo", flag, word)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert flag in done.stderr


@pytest.mark.usefixtures("preloaded_workers")
def test_a_sweep_stops_after_its_first_failure_and_goes_on_with_a_higher_limit(
    tmp_path: Path,
) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "stops.yaml").write_text(SWEEP)
    done = rote(tmp_path, "sweep", "stops", "--max-failures", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "stopped: 1 runs failed, and --max-failures is 1" in done.stdout
    shown = rote(tmp_path, "status", "stops", "--json")
    (sweep,) = json.loads(shown.stdout)
    assert sweep["stopped_by"].startswith("1 runs failed")
    states = sorted(run["state"] for run in sweep["runs"])
    assert states == ["failed", "waiting", "waiting", "waiting"]
    refused = rote(tmp_path, "resume", "stops")
    assert refused.returncode == 2
    assert "give a higher limit" in refused.stderr
    more = rote(tmp_path, "resume", "stops", "--max-failures", "3")
    assert more.returncode == 1, more.stdout + more.stderr
    (sweep,) = json.loads(rote(tmp_path, "status", "stops", "--json").stdout)
    assert sorted(run["state"] for run in sweep["runs"]) == ["done", "done", "failed", "failed"]
    assert sweep["stopped_by"] is None
