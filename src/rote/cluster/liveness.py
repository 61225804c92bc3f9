"""Which of the jobs that were sent still run or may run: one question to each kind of host."""

import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname

from rote.cluster import queue
from rote.cluster.journal import SENDING, SENT, Submission


@dataclass(frozen=True, kw_only=True)
class SentJob:
    """A job of a journal, as its host sees it now."""

    job_id: str
    submission: Submission
    state: str  # the host's word; ENDED where it knows nothing of the job any more
    is_live: bool
    restarts: int
    reason: str

    @property
    def is_held(self) -> bool:
        """Whether it waits until somebody releases it."""
        return self.is_live and queue.is_held(self.state, self.reason)

    @property
    def waits_for(self) -> str | None:
        """Why it does not run yet, with what to type where it would wait for ever."""
        if self.is_held:
            return f"held ({self.reason}): scontrol release {self.job_id}"
        return self.reason if self.state == "PENDING" else None

    @property
    def run_ids(self) -> tuple[str, ...]:
        """What it works on, in this order."""
        return self.submission.jobs[self.job_id]


GONE = "ENDED"
WORKER = "submitit.local._local "  # of a worker's command line; the folder of its logs follows
CLOCK_SECONDS = 60.0  # by which a process may seem to be older than the request for it


def sent_jobs(submissions: Iterable[Submission], *, timeout_seconds: float) -> list[SentJob]:
    """Every job of these submissions, newest last; raises QueueUnknown."""
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
            if submission.host == "slurm":
                jobs.append(_slurm_job(submission, job_id, known.get((submission.uid, job_id))))
            else:
                jobs.append(_process(submission, job_id, processes))
    return jobs


def unanswered(submissions: Iterable[Submission]) -> list[Submission]:
    """Requests whose answer was never noted: their launcher died."""
    return [one for one in submissions if one.state == SENDING and one.host == "slurm"]


def _slurm_job(submission: Submission, job_id: str, job: queue.QueuedJob | None) -> SentJob:
    return SentJob(
        job_id=job_id,
        submission=submission,
        state=job.state if job else GONE,
        is_live=job is not None and job.is_live,
        restarts=job.restarts if job else 0,
        reason=job.reason if job else "",
    )


def _process(submission: Submission, job_id: str, processes: dict[str, str]) -> SentJob:
    """Its command line ends in the folder of its logs: another process of this number has none."""
    folder = processes.get(job_id, "").rpartition(WORKER)[2]
    lives = bool(folder) and Path(folder).resolve() == submission.folder.resolve()
    return SentJob(
        job_id=job_id,
        submission=submission,
        state="RUNNING" if lives else GONE,
        is_live=lives,
        restarts=0,
        reason="",
    )


def _processes(submissions: Sequence[Submission]) -> dict[str, str]:
    """Command lines by process id: of our account, of workers, begun after they were asked for."""
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
