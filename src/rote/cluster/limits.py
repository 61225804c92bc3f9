"""Stop a sweep at a number of failed runs or of GPU-hours.

sweeps/<name>/limits.json     what is allowed; no file: anything
sweeps/<name>/spent/<job>     one job's GPU-hours so far, and the ids of its failed runs

Each job rewrites its own file and sums all of them, so that no job waits for another. A job that
finds a limit reached leaves with checkpoints, is not requeued, and cancels the sweep's jobs that
wait in the queue; jobs that start all the same leave at once. `rote resume` goes on with a higher
limit.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rote.cluster import queue
from rote.cluster.journal import Journal
from rote.cluster.liveness import sent_jobs
from rote.cluster.plan import RUN_ID
from rote.cluster.preemption import CANCELLED, own_job_id
from rote.io.read import Damaged, read_json
from rote.io.shapes import keyed, listed, number, optional, whole
from rote.io.write import write_json
from rote.ledger.store import Store

LIMITS, SPENT = "limits.json", "spent"
EVERY_SECONDS = 10.0  # a job looks, and notes what it has spent
ANSWER_SECONDS = 30.0
REMEDY = "rote resume NAME --max-failures N --max-gpu-hours H writes it anew"
SHAPE = keyed({"max_failures": optional(whole), "max_gpu_hours": optional(number)})
SPENT_SHAPE = keyed({"gpu_hours": number, "failed": listed(RUN_ID)})


@dataclass(frozen=True)
class Limits:
    """What a sweep may take; None: no limit."""

    max_failures: int | None = None
    max_gpu_hours: float | None = None

    def write(self, sweep: Path) -> None:
        """Set the limits of a sweep; those that are None stay as they are."""
        given = {key: value for key, value in asdict(self).items() if value is not None}
        if given:
            write_json(sweep / LIMITS, asdict(read_limits(sweep)) | given)


def read_limits(sweep: Path) -> Limits:
    """Return the limits of a sweep's folder; raises Damaged."""
    try:
        return Limits(**read_json(sweep / LIMITS, SHAPE, REMEDY))
    except FileNotFoundError:
        return Limits()


def reached(sweep: Path, store: Store) -> str | None:
    """Return which limit is reached, in words; None if none is. Raises Damaged.

    A failed run that was tried again and did not fail counts no more.
    """
    limits = read_limits(sweep)
    if limits == Limits():
        return None
    gpu_hours, failed = 0.0, set()
    for path in sorted((sweep / SPENT).glob("*.json")):
        spent = read_json(path, SPENT_SHAPE, "move it away")
        gpu_hours += spent["gpu_hours"]
        failed |= {each for each in spent["failed"] if store.run(each).failure()}
    if limits.max_failures is not None and len(failed) >= limits.max_failures:
        return f"{len(failed)} runs failed, and --max-failures is {limits.max_failures}"
    if limits.max_gpu_hours is not None and gpu_hours >= limits.max_gpu_hours:
        return f"{gpu_hours:.3g} GPU-hours are spent of {limits.max_gpu_hours:g} (--max-gpu-hours)"
    return None


def cancel_waiting(sweep: Path) -> None:
    """Cancel the jobs of a sweep that wait in SLURM's queue; raises Damaged and QueueUnknown."""
    jobs = sent_jobs(Journal(sweep).submissions(), timeout_seconds=ANSWER_SECONDS)
    waiting = [job for job in jobs if job.state == "PENDING"]
    for folder in {job.submission.folder for job in waiting}:
        (folder / CANCELLED).touch()  # their runs wait; they are not lost
    queue.cancel([job.job_id for job in waiting])


class Spending:
    """What this job has spent, and whether its sweep may go on."""

    def __init__(
        self, sweep: Path, store: Store, job: str, num_gpus: int, clock: Callable[[], float]
    ) -> None:
        self._sweep, self._store, self._num_gpus, self._clock = sweep, store, num_gpus, clock
        self._path = sweep / SPENT / f"{job}.json"
        self._began = self._looked = clock()
        self._num_failed = 0
        self._earlier_hours = self._noted()  # of earlier lives of a requeued job
        self.reason = self._limit()

    def is_over(self, failed: list[str]) -> bool:
        """Return whether a limit is reached; looks after each failure, else from time to time."""
        now = self._clock()
        if self.reason or (len(failed) == self._num_failed and now - self._looked < EVERY_SECONDS):
            return self.reason is not None
        self._looked, self._num_failed = now, len(failed)
        hours = self._earlier_hours + self._num_gpus * (now - self._began) / 3600
        write_json(self._path, {"gpu_hours": hours, "failed": failed})
        self.reason = self._limit()
        return self.reason is not None

    def _noted(self) -> float:
        try:
            return float(read_json(self._path, SPENT_SHAPE)["gpu_hours"])
        except (FileNotFoundError, Damaged):
            return 0.0

    def _limit(self) -> str | None:
        """A damaged file of another job or of limits stops nothing: `rote status` names it."""
        try:
            return reached(self._sweep, self._store)
        except Damaged:
            return None


def spending_of_job(submission: Path, store: Store) -> Spending:
    """Return what the job that this process is, of this submission's folder, has spent."""
    job = own_job_id() or submission.name
    return Spending(submission.parents[1], store, job, _num_gpus(), time.monotonic)


def _num_gpus() -> int:
    if "SLURM_JOB_ID" in os.environ:
        nodes = int(os.environ.get("SLURM_JOB_NUM_NODES", 1))
        return nodes * int(os.environ.get("SLURM_GPUS_ON_NODE", 0))
    import torch  # a worker imports it anyway

    return torch.cuda.device_count()
