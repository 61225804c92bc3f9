"""300 runs in stacks of 25: one is killed, one is cancelled, and each run is trained once."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from rote.cluster.liveness import SentJob
from rote.cluster.status import states, sweep_status
from rote.ledger.store import Store
from tests.slurm.conftest import Bench, command, run_pids, until

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(900)]

NAME = "t-stacks"
GRID = {"seeds": list(range(100)), "num_sequences": (4, 6, 8), "max_steps": 600}
NORMAL = {"done", "running", "pending"}


class Watch:
    """Reads the status again and again and compares it with what was done to the jobs."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.allowed, self.done = bench, dict.fromkeys(NORMAL, None), 0
        self.num_reads = 0

    def allow(self, state: str, job: SentJob) -> None:
        """From now on the runs of this job alone may be in this state."""
        self.allowed[state] = set(job.run_ids)

    def read(self) -> Counter[str]:
        outputs = self.bench.outputs
        before = sum(run.is_done() for run in self.bench.runs(NAME))
        runs = states(self.bench.plan(NAME), Store(outputs), sweep_status(outputs, [NAME]))
        after = sum(run.is_done() for run in self.bench.runs(NAME))
        tally = Counter(run.state for run in runs)
        assert self.done <= before <= tally["done"] <= after
        self.done, self.num_reads = after, self.num_reads + 1
        for run in runs:
            assert run.state in self.allowed, run
            whose = self.allowed[run.state]
            assert whose is None or run.run_id in whose, run
        return tally


def training(bench: Bench) -> list[SentJob]:
    """The jobs whose runs have all left a checkpoint and train on."""
    store = Store(bench.outputs)
    live = [job for job in bench.live(NAME) if job.state == "RUNNING"]
    return [job for job in live if all(
        store.run(each).has_checkpoint() and store.run(each).is_claimed() for each in job.run_ids
    )]  # fmt: skip


def test_each_of_300_runs_is_trained_once(bench: Bench) -> None:
    bench.write(NAME, **GRID)  # type: ignore[arg-type]
    told = bench.sweep(NAME, "host.stack=25", "host.checkpoint_every_seconds=2",
                       "host.max_parallel_jobs=4")  # fmt: skip
    assert "300 runs in 12 jobs" in told
    watch = Watch(bench)
    until(lambda: bool(watch.read() and training(bench)), 240)
    killed = training(bench)[0]
    watch.allow("lost", killed)
    node = command("squeue", "-h", "-j", killed.job_id, "-o", "%A").strip()
    (pid,) = [pid for pid in run_pids(bench) if job_of(pid) == node]
    os.kill(pid, signal.SIGKILL)
    until(lambda: watch.read()["lost"] == 25, 60)
    until(lambda: bool(watch.read() and training(bench)), 240)
    cancelled = training(bench)[0]
    watch.allow("waiting", cancelled)
    command("scancel", cancelled.job_id)
    until(lambda: bool(watch.read()) and not bench.live(NAME), 400)
    assert bench.counts(NAME) == {"done": 250, "lost": 25, "waiting": 25}
    records = {run.run_id: run.record_path.stat().st_mtime_ns for run in bench.runs(NAME)
               if run.is_done()}  # fmt: skip
    # The cancelled stack goes on as one; the killed one in stacks of half its size.
    assert "50 runs in 4 jobs" in bench.rote("resume", NAME)
    bench.wait_done(NAME, 240)
    assert bench.counts(NAME) == {"done": 300}
    facts = {run.run_id: run.circumstances() for run in bench.runs(NAME)}
    assert {facts[each]["stacked"] for each in cancelled.run_ids} == {25}
    assert {facts[each].get("stacked", 1) for each in killed.run_ids} == {12, 1}
    for run_id in (*killed.run_ids, *cancelled.run_ids):
        assert facts[run_id]["resumed_at_step"] > 0
    for run_id, written in records.items():
        assert Store(bench.outputs).run(run_id).record_path.stat().st_mtime_ns == written
    assert watch.num_reads > 20


def job_of(pid: int) -> str:
    """SLURM_JOB_ID of a process."""
    lines = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next(line[13:].decode() for line in lines if line.startswith(b"SLURM_JOB_ID="))
