"""Which of the jobs that were sent still run or may run: one question to each kind of host."""

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
    def run_ids(self) -> tuple[str, ...]:
        """What it works on, in this order."""
        return self.submission.jobs[self.job_id]


GONE = "ENDED"


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
    """Its command line names the submission's folder: another process of this number does not."""
    lives = submission.uid in processes.get(job_id, "")
    return SentJob(
        job_id=job_id,
        submission=submission,
        state="RUNNING" if lives else GONE,
        is_live=lives,
        restarts=0,
        reason="",
    )


def _processes(submissions: Sequence[Submission]) -> dict[str, str]:
    pids = sorted({job for submission in submissions for job in submission.jobs})
    if not pids:
        return {}
    command = ["ps", "-ww", "-o", "pid=,args=", "-p", ",".join(pids)]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    split = [line.strip().partition(" ") for line in lines]
    return {pid: arguments for pid, _, arguments in split}
