"""The cluster of up.sh, sweeps on it, and what a sweep must look like in the end."""

import getpass
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rote.cluster.journal import Journal
from rote.cluster.liveness import SentJob, sent_jobs
from rote.cluster.plan import Plan, load_plan
from rote.cluster.status import count, states, sweep_status
from rote.ledger.store import RunFolder, Store
from tests import inprocess

ROOT = Path(os.environ.get("ROTE_SLURM_ROOT", "/var/tmp/rote-slurm"))
EQUAL = ("record.json", "curve.jsonl", "arrays.npz")
NUM_NODES = 4
SWEEP = """
question: Does it survive?
report: capacity
fixed:
  size: demo_s
  task.length: 8
  task.vocab_size: 16
  task.num_heldout_sequences: 4
  optim: adamw
  budget: demo
  budget.batch_size: 4
  budget.max_steps: {max_steps}
  budget.check_every_steps: {check_every_steps}
  budget.saturation.max_growth_per_1000_steps: 0.0
  log: none
  host.accelerator: cpu
grid:
  product:
    task.num_sequences: {num_sequences}
    seed: {seeds}
"""


def command(*words: str, check: bool = True) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def until(what: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.1)


@dataclass(frozen=True)
class Bench:
    """One working folder with sweeps in it."""

    folder: Path

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    def write(
        self,
        name: str,
        *,
        seeds: list[int],
        max_steps: int = 40,
        check_every_steps: int = 20,
        num_sequences: tuple[int, ...] = (8,),
    ) -> None:
        """A sweep file with a run for each seed and number of sequences."""
        sweeps = self.folder / "sweeps"
        sweeps.mkdir(exist_ok=True)
        text = SWEEP.format(
            seeds=seeds,
            max_steps=max_steps,
            check_every_steps=check_every_steps,
            num_sequences=list(num_sequences),
        )
        (sweeps / f"{name}.yaml").write_text(text)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "rote", *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def rote(self, *words: str, code: int = 0) -> str:
        done = inprocess.rote(self.folder, *words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def sweep(self, name: str, *overrides: str, code: int = 0) -> str:
        return self.rote("sweep", name, *ON_SLURM, *overrides, code=code)

    def plan(self, name: str) -> Plan:
        return load_plan(self.outputs, name)

    def journal(self, name: str) -> Journal:
        return Journal(self.outputs / "sweeps" / name)

    def counts(self, name: str) -> dict[str, int]:
        """How many runs are in each state that occurs."""
        plan = self.plan(name)
        tally = count(states(plan, Store(self.outputs), sweep_status(self.outputs, [name])))
        return {state: number for state, number in tally.items() if number}

    def jobs(self, name: str) -> list[SentJob]:
        return sent_jobs(self.journal(name).submissions(), timeout_seconds=60.0)

    def live(self, name: str) -> list[SentJob]:
        return [job for job in self.jobs(name) if job.is_live]

    def runs(self, name: str) -> list[RunFolder]:
        return [Store(self.outputs).run(run_id) for run_id in self.plan(name).run_ids]

    def all_training(self, name: str) -> bool:
        """Whether every run has written a row and holds its lock."""
        return all(run.last_row() is not None and run.is_claimed() for run in self.runs(name))

    def wait_done(self, name: str, seconds: float = 150.0) -> None:
        runs = self.runs(name)
        until(lambda: all(run.is_done() for run in runs), seconds)

    def wait_over(self, name: str, seconds: float = 150.0) -> None:
        """No job is live and no process holds a run: a killed one outlives its job by a moment."""
        until(lambda: not self.live(name), seconds)
        until(lambda: not any(run.is_claimed() for run in self.runs(name)), 30)

    def restarts(self, name: str) -> int:
        return sum(job.restarts for job in self.jobs(name))


ON_SLURM = (
    "host=slurm", "host.partition=low", "host.mem_per_cpu_mb=900", "host.accelerator=cpu",
    "host.pack_minutes=0",
)  # fmt: skip


def assert_equal(one: Bench, other: Bench, name: str) -> None:
    """Every run of the sweep has the same result in both folders, bit for bit."""
    for run_id in one.plan(name).run_ids:
        for file in EQUAL:
            here, there = (bench.outputs / "runs" / run_id / file for bench in (one, other))
            assert here.read_bytes() == there.read_bytes(), f"{run_id}/{file}"


@pytest.fixture(autouse=True)
def cluster() -> Iterator[None]:
    """Idle before each test; skipped where none answers, or a real one does."""
    if shutil.which("sinfo") is None or not (ROOT / "run" / "slurmctld.pid").exists():
        pytest.skip("no test cluster: make slurm-up")
    if subprocess.run(["sinfo", "-h"], capture_output=True, timeout=60).returncode:
        pytest.skip("the test cluster does not answer: make slurm-up")
    until(nodes_are_idle, 60)
    yield
    # Only what these tests sent: somebody else may use the cluster.
    listed = command("squeue", "-h", f"--user={getpass.getuser()}", "-o", "%F %j")
    ours = [line.split()[0] for line in listed.splitlines() if " rote:t-" in line]
    if ours:
        command("scancel", *ours)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def peace(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The sweeps of these tests run on this machine's cores, never interrupted."""
    return Bench(tmp_path_factory.mktemp("peace"))


def local_run(peace: Bench, name: str, **sweep: object) -> None:
    """Carry out a sweep locally, once for all tests that compare with it."""
    peace.write(name, **sweep)  # type: ignore[arg-type]
    peace.rote("sweep", name)


def nodes_are_idle() -> bool:
    nodes = command("sinfo", "-h", "-N", "-p", "low", "-t", "idle", "-o", "%N", check=False)
    return len(set(nodes.split())) == NUM_NODES


def pid_of(daemon: str) -> int:
    return int((ROOT / "run" / f"{daemon}.pid").read_text())


def kill_controller() -> None:
    os.kill(pid_of("slurmctld"), signal.SIGKILL)


def start_controller() -> None:
    command("/usr/sbin/slurmctld")
    until(lambda: "UP" in command("scontrol", "ping", check=False), 60)


def node_of(job: SentJob) -> str:
    return command("squeue", "-h", "-j", job.job_id, "-o", "%N").strip()


def worker_pids(bench: Bench) -> list[int]:
    """Workers and the processes of their runs: the command line names the bench's folder."""
    return list(_processes(bench))


def run_pids(bench: Bench) -> list[int]:
    """The processes of runs alone: those whose parent is a worker."""
    processes = _processes(bench)
    return [pid for pid, parent in processes.items() if parent in processes]


def _processes(bench: Bench) -> dict[int, int]:
    lines = command("ps", "-ww", "-eo", "pid=,ppid=,args=").splitlines()
    ours = [line.split() for line in lines if f"{bench.outputs}/sweeps" in line]
    return {
        int(words[0]): int(words[1]) for words in ours if "python" in words[2] and "-u" in words
    }
