"""Find out which sent jobs still run or may run, with one query to each kind of host.

It also reads and writes worker.json in a run's folder: the log of the last worker that took up the
run, the step it began from, and the reason if it was killed.
"""

import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from typing import Any

from rote.cluster import queue
from rote.cluster.journal import SENDING, SENT, Submission
from rote.cluster.preemption import own_job_id
from rote.io.read import Damaged, read_json
from rote.io.shapes import keyed, number, text, whole
from rote.io.write import write_json
from rote.ledger.store import RunFolder


@dataclass(frozen=True)
class SentJob:
    """A job of a journal and its current state at the host."""

    job_id: str
    submission: Submission
    state: str  # the host's word; ENDED if the host no longer knows the job
    restarts: int
    reason: str

    @property
    def is_live(self) -> bool:
        """Return whether it runs or may still run."""
        return self.state not in (*queue.ENDED, GONE)

    @property
    def is_held(self) -> bool:
        """Return whether it waits until somebody releases it."""
        return self.is_live and queue.is_held(self.state, self.reason)

    @property
    def waits_for(self) -> str | None:
        """Return why it does not run yet, with the command to release it if it is held."""
        if self.is_held:
            return f"held ({self.reason}): scontrol release {self.job_id}"
        return self.reason if self.state == "PENDING" else None

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Return the ids of its runs, in the order of work."""
        return self.submission.jobs[self.job_id]


GONE = "ENDED"
WORKER = "submitit.local._local "  # in a worker's command line, before the folder of its logs
CLOCK_SECONDS = 60.0  # tolerance, in case a process seems older than its request


def sent_jobs(submissions: Iterable[Submission], *, timeout_seconds: float) -> list[SentJob]:
    """Return every job of these submissions, newest last; raises QueueUnknown."""
    sent = [submission for submission in submissions if submission.state == SENT]
    on_slurm = [submission for submission in sent if submission.host == "slurm"]
    names = {submission.job_name for submission in on_slurm}
    known = {
        (job.uid, job.job_id): job for job in queue.queued(names, timeout_seconds=timeout_seconds)
    }
    processes = _processes([one for one in sent if one.host == gethostname()])
    jobs = []
    for submission in sent:
        for job_id in submission.jobs:
            if job := known.get((submission.uid, job_id)):
                told = job.state, job.restarts, job.reason
            else:
                lives = _is_alive(submission, processes.get(job_id, ""))
                told = "RUNNING" if lives else GONE, 0, ""
            jobs.append(SentJob(job_id, submission, *told))
    return jobs


def unanswered(submissions: Iterable[Submission]) -> list[Submission]:
    """Return requests without a recorded answer: their launcher died."""
    return [one for one in submissions if one.state == SENDING and one.host == "slurm"]


def _is_alive(submission: Submission, command: str) -> bool:
    """Return whether this is the command line of a worker: it ends with the folder of its logs.

    Another process with the same number has another command line.
    """
    folder = command.rpartition(WORKER)[2]
    return bool(folder) and Path(folder).resolve() == submission.folder.resolve()


def _processes(submissions: Sequence[Submission]) -> dict[str, str]:
    """Return command lines by process id: our workers that started after their request."""
    asked: dict[str, float] = {}
    for submission in submissions:
        for pid in submission.jobs:
            asked[pid] = min(submission.time_unix_seconds, asked.get(pid, float("inf")))
    pids = sorted(pid for pid in asked if pid.isdecimal())
    if not pids:
        return {}
    command = ["ps", "-ww", "-o", "pid=,uid=,lstart=,args=", "-p", ",".join(pids)]
    environment = {**os.environ, "LC_ALL": "C"}  # dates in English
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=environment
    )
    found = {}
    for line in done.stdout.splitlines():
        pid, uid, *started, arguments = line.split(None, 7)
        begun = time.mktime(time.strptime(" ".join(started), "%a %b %d %H:%M:%S %Y"))
        is_young = begun >= asked[pid] - CLOCK_SECONDS
        if uid == str(os.getuid()) and is_young and WORKER in arguments:
            found[pid] = arguments
    return found


SHAPE = keyed(
    {"log": text, "step": whole, "time_unix_seconds": number, "restarts": whole},
    {"stacked": whole, "death": text},
)
REWRITTEN = "the run's next process writes it anew: rote resume"


def record_attempt(run: RunFolder, folder: Path, stacked: int = 1) -> None:
    """Record this attempt: its log in ``folder``, its first step, the runs of its process."""
    job = own_job_id() or os.environ["SUBMITIT_LOCAL_JOB_ID"]
    try:
        row = run.last_row() or {}
    except Damaged:  # the curve is rewritten from the checkpoint soon
        row = {}
    _write(run, log=str(folder / f"{job}_0_log.err"), step=row.get("step", 0), stacked=stacked)


def record_kill(run: RunFolder, reason: str) -> None:
    """Record that the process was killed; it could not record anything itself."""
    try:
        life = last_attempt(run)
    except Damaged:
        life = None
    _write(run, **{"log": "", "step": 0, **(life or {}), "death": reason})


def last_attempt(run: RunFolder) -> dict[str, Any] | None:
    """Return what the last worker recorded, None without one; raises Damaged."""
    try:
        return dict(read_json(_path(run), SHAPE, REWRITTEN))
    except FileNotFoundError:
        return None


def _write(run: RunFolder, **life: Any) -> None:
    now = {
        "time_unix_seconds": time.time(),
        "restarts": int(os.environ.get("SLURM_RESTART_COUNT", 0)),
    }
    write_json(_path(run), {**now, **life})


def _path(run: RunFolder) -> Path:
    return run.path / "worker.json"
