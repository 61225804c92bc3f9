"""Everything that ends a job early: each run goes on where it was and ends as if undisturbed."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from rote.cluster.liveness import last_attempt
from tests.slurm.conftest import (
    Bench,
    assert_equal,
    command,
    kill_controller,
    local_run,
    node_of,
    run_pids,
    start_controller,
    until,
    worker_pids,
)

SLOW = pytest.mark.slow
pytestmark = [pytest.mark.slurm]

LONG = {"seeds": [0, 1], "max_steps": 5000, "check_every_steps": 50}
# Its first life is halted until its limit; what is left fits into the half minute of another one,
# also where starting takes 20 seconds and a step 8 ms.
LIMITED = {"seeds": [0, 1], "max_steps": 1200, "check_every_steps": 50}
NAME = "t-fault"
TELLING = (signal.SIGUSR2, signal.SIGTERM)


@pytest.fixture
def reference(peace: Bench) -> Bench:
    local_run(peace, NAME, **LONG)
    return peace


def take_node(node: str) -> None:
    """A job of the higher partition that wants the whole node for two seconds."""
    command("sbatch", "-p", "high", "-w", node, "--exclusive", "--wrap", "sleep 2",
            "-o", "/dev/null", "--job-name", "rote:t-intruder")  # fmt: skip


def preempt(bench: Bench) -> None:
    for node in {node_of(job) for job in bench.live(NAME)}:
        take_node(node)


def preempt_without_grace(bench: Bench) -> None:
    command("scontrol", "update", "PartitionName=low", "GraceTime=0")
    try:
        preempt(bench)
        until(lambda: bench.restarts(NAME) >= 1, 30)
    finally:
        command("scontrol", "update", "PartitionName=low", "GraceTime=15")


def requeue(bench: Bench) -> None:
    for job in bench.live(NAME):
        command("scontrol", "requeue", job.job_id)


def take_node_down(bench: Bench) -> None:
    node = node_of(bench.live(NAME)[0])
    command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")


@pytest.mark.parametrize(
    "fault",
    [
        preempt,
        requeue,
        pytest.param(preempt_without_grace, marks=SLOW),
        pytest.param(take_node_down, marks=SLOW),
    ],
)
def test_slurm_brings_the_job_back_and_the_run_goes_on(
    bench: Bench, reference: Bench, fault: Callable[[Bench], None]
) -> None:
    bench.write(NAME, **LONG)
    bench.sweep(NAME)
    until(lambda: bench.all_training(NAME), 60)
    fault(bench)
    bench.wait_done(NAME)
    assert bench.restarts(NAME) >= 1
    assert_equal(bench, reference, NAME)
    if fault is not take_node_down:  # there, only jobs on that node come back
        lives = [last_attempt(run) for run in bench.runs(NAME)]
        assert all(life and life["step"] > 0 for life in lives), "it started from nothing"


def test_a_controller_that_dies_is_waited_for(bench: Bench, reference: Bench) -> None:
    bench.write(NAME, **LONG)
    bench.sweep(NAME)
    until(lambda: bench.all_training(NAME), 60)
    kill_controller()
    pids = worker_pids(bench)
    for pid in pids:
        os.kill(pid, signal.SIGUSR2)  # told to leave while nobody can take it back
    time.sleep(3)
    start_controller()
    bench.wait_done(NAME)
    assert bench.restarts(NAME) >= 1
    assert_equal(bench, reference, NAME)


@SLOW
def test_a_killed_worker_is_lost_until_resumed(bench: Bench, reference: Bench) -> None:
    bench.write(NAME, **LONG)
    bench.sweep(NAME, "host.checkpoint_every_seconds=0.5")
    until(lambda: bench.all_training(NAME), 60)
    time.sleep(1)
    for pid in worker_pids(bench):
        os.kill(pid, signal.SIGKILL)
    until(lambda: bench.counts(NAME) == {"lost": 2}, 60)
    told = bench.rote("status", NAME)
    assert "its job" in told
    assert "Killed" in told
    bench.rote("resume", NAME)
    bench.wait_done(NAME)
    assert all(life and life["step"] > 0 for life in map(last_attempt, bench.runs(NAME)))
    assert_equal(bench, reference, NAME)
    bench.rote("resume", NAME)


@SLOW
@pytest.mark.timeout(600)
def test_a_job_at_its_time_limit_goes_on_in_its_next_life(bench: Bench, peace: Bench) -> None:
    local_run(peace, NAME, **LIMITED)
    bench.write(NAME, **LIMITED)
    bench.sweep(NAME, "host.time_minutes=1", "host.signal_seconds=25", "host.pack_minutes=60")
    until(lambda: bench.runs(NAME)[0].last_row() is not None, 150)
    (pid,) = run_pids(bench)
    os.kill(pid, signal.SIGSTOP)  # however fast the machine is, the limit comes before the end
    until(lambda: is_told(pid), 70)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    bench.wait_done(NAME, 300)
    assert bench.restarts(NAME) >= 1
    assert_equal(bench, peace, NAME)


def is_told(pid: int) -> bool:
    """Whether a stopped process has SIGUSR2 or SIGTERM before it, or was woken and has left."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return True
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd"))]
    return any(mask >> (number - 1) & 1 for mask in masks for number in TELLING)


@SLOW
def test_a_cancelled_sweep_stays_away_and_resumes_from_its_checkpoints(
    bench: Bench, reference: Bench
) -> None:
    bench.write(NAME, **LONG)
    bench.sweep(NAME, "host.pack_minutes=60")
    until(lambda: any(run.last_row() for run in bench.runs(NAME)), 60)
    bench.rote("cancel", NAME)
    bench.wait_over(NAME, 30)
    assert bench.counts(NAME) == {"waiting": 2}
    (bench.folder / "sweeps" / f"{NAME}.yaml").write_text("nothing: left")  # the plan is frozen
    bench.rote("resume", NAME)
    bench.wait_done(NAME)
    assert_equal(bench, reference, NAME)


@SLOW
def test_a_run_without_memory_takes_no_neighbour_with_it_for_good(bench: Bench) -> None:
    bench.write("t-memory", seeds=[0], num_sequences=(4, 40_000, 8))
    bench.sweep(
        "t-memory",
        "host.pack_minutes=60",
        "host.mem_per_cpu_mb=1200",
        "budget.batch_size=40_000",
        "task.length=64",
        "task.vocab_size=256",
    )
    name = next(path.name for path in bench.outputs.glob("sweeps/t-memory*"))
    bench.wait_over(name)
    assert bench.counts(name) == {"done": 1, "lost": 1, "waiting": 1} or bench.counts(name) == {
        "done": 1, "lost": 2,
    }  # fmt: skip
    assert "memory" in bench.rote("status", name)
    bench.rote("resume", name)
    bench.wait_over(name)
    assert bench.counts(name) == {"done": 2, "lost": 1}
