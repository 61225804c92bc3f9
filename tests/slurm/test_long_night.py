"""Sixty runs through preemptions, a killed worker, a dead controller: none lost, none changed."""

import os
import signal

import pytest

from tests.slurm.conftest import (
    Bench,
    assert_equal,
    kill_controller,
    local_run,
    node_of,
    start_controller,
    until,
    worker_pids,
)
from tests.slurm.test_faults import take_node

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(420)]

NAME = "t-night"
GRID = {"seeds": list(range(30)), "num_sequences": (4, 8), "max_steps": 300}


def num_done(bench: Bench) -> int:
    return sum(run.is_done() for run in bench.runs(NAME))


def test_sixty_runs_survive_everything(bench: Bench, peace: Bench) -> None:
    local_run(peace, NAME, **GRID)
    bench.write(NAME, **GRID)
    told = bench.sweep(
        NAME, "host.pack_minutes=0.5", "host.flops_per_second=1e9", "host.max_array_size=5",
        "host.step_overhead_seconds=1e-2", "host.max_parallel_jobs=4",
        "host.checkpoint_every_seconds=0.5",
    )  # fmt: skip
    assert "60 runs in " in told
    until(lambda: num_done(bench) >= 3, 90)
    # First the controller: what it had not saved of a requeue when it died, it would forget, and
    # such a job stays RUNNING without a process until its node reports again, minutes later.
    kill_controller()
    start_controller()
    for node in sorted({node_of(job) for job in bench.live(NAME) if job.state == "RUNNING"})[:2]:
        take_node(node)
    until(lambda: bench.restarts(NAME) >= 1, 60)
    until(lambda: bool(worker_pids(bench)), 60)
    os.kill(worker_pids(bench)[0], signal.SIGKILL)
    before = {run.run_id: run.record_path.stat().st_mtime_ns for run in bench.runs(NAME)
              if run.is_done()}  # fmt: skip
    bench.wait_over(NAME, 240)
    if num_done(bench) < 60:
        assert "lost" in bench.counts(NAME)
        bench.rote("resume", NAME)
        bench.wait_done(NAME)
    assert bench.counts(NAME) == {"done": 60}
    assert_equal(bench, peace, NAME)
    for run in bench.runs(NAME):
        if run.run_id in before:
            assert run.record_path.stat().st_mtime_ns == before[run.run_id], "run twice"
