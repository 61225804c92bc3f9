"""Submit one job array to SLURM, exactly once or not at all."""

import io
import logging
import os
import shlex
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from rote.cluster import queue
from rote.cluster.journal import Journal, Submission
from rote.cluster.preemption import CANCELLED
from rote.cluster.verified_job import START, private, record_digest
from rote.cluster.worker import Assignment, work
from rote.core.process import PATH_VARIABLE, SAFE_PATH_VARIABLE, isolated_children

LOG = logging.getLogger(__name__)
UNANSWERED = ("timed out", "Unexpected message", "Zero Bytes", "Connection reset")
RECONCILE_SECONDS = 120.0
SETTLE_SECONDS = 2.0  # until the controller shows a request that was in flight
# Until our handlers are installed, a preemption signal would kill the process as a failure; if it
# is ignored, SLURM ends the job and requeues it.
PYTHON = "env --ignore-signal=USR2 --ignore-signal=TERM"


class Refused(ValueError):
    """The controller rejects the job; nothing of it is queued."""


def submit(
    journal: Journal,
    *,
    job_name: str,
    parameters: Mapping[str, Any],
    assignments: Sequence[Assignment],
    import_first: Sequence[str] = (),
) -> Submission:
    """Queue a job for each assignment; jobs import from ``import_first`` before all others.

    Raises Refused, and ValueError if nobody answers or if a setting would add lines to the job's
    script.
    """
    _require_single_lines({"job name": job_name, **parameters})
    for _ in range(2):
        submission = journal.begin(host="slurm", job_name=job_name)
        try:
            with private(submission.folder):
                jobs = _sbatch(submission, parameters, assignments, import_first)
                digests = record_digest(submission.folder)
        except (FailedJobError, FailedSubmissionError) as error:
            _clean_up(journal, submission, str(error))
            continue
        run_ids = [[spec.run_id for spec in one.specs] for one in assignments]
        return journal.sent(submission, dict(zip(jobs, run_ids, strict=True)), digests)
    raise ValueError("the SLURM controller did not answer twice: nothing was submitted")


def take_back(submission: Submission, jobs: Iterable[str]) -> None:
    """Cancel these jobs of a submission; its workers checkpoint and do not requeue."""
    submission.folder.mkdir(parents=True, exist_ok=True)
    (submission.folder / CANCELLED).touch()  # first: a worker that is leaving checks for it
    queue.cancel(sorted({job.partition("_")[0] for job in jobs}))


def reconcile(journal: Journal, submission: Submission) -> None:
    """Find the jobs of a request whose answer was lost, cancel them and withdraw the request.

    Its jobs lack their pickles and touch no run. Raises QueueUnknown if the controller does not
    answer.
    """
    deadline = time.monotonic() + RECONCILE_SECONDS
    while True:
        try:
            ghosts = _jobs_of(submission)
            break
        except queue.QueueUnknown:
            if time.monotonic() > deadline:
                raise
    if not ghosts:
        time.sleep(SETTLE_SECONDS)
        ghosts = _jobs_of(submission)
    queue.cancel(sorted({ghost.partition("_")[0] for ghost in ghosts}))
    journal.withdrawn(submission)
    shutil.rmtree(submission.folder, ignore_errors=True)


def _sbatch(
    submission: Submission,
    parameters: Mapping[str, Any],
    assignments: Sequence[Assignment],
    import_first: Sequence[str],
) -> list[str]:
    # Written into the script: a cluster may be set up to pass no environment on to its jobs.
    with isolated_children(*import_first):
        variables = {name: os.environ[name] for name in (SAFE_PATH_VARIABLE, PATH_VARIABLE)}
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    python = f"{PYTHON} {given} {START}"
    executor = submitit.SlurmExecutor(folder=submission.folder, python=python)
    comment = f"{queue.COMMENT}{submission.uid}"
    executor.update_parameters(**parameters, job_name=submission.job_name, comment=comment)
    with redirect_stderr(io.StringIO()):  # submitit prints sbatch's errors and raises them as well
        return [job.job_id for job in executor.map_array(work, assignments)]


def _clean_up(journal: Journal, submission: Submission, message: str) -> None:
    """After a failed sbatch, return if a second try is right; otherwise raise."""
    if any(words in message for words in UNANSWERED):
        LOG.warning("sbatch got no answer: looking for what it may have queued")
        try:
            reconcile(journal, submission)
        except queue.QueueUnknown as error:
            raise ValueError(f"{error}: launch again once squeue answers") from error
        return
    journal.withdrawn(submission)
    shutil.rmtree(submission.folder, ignore_errors=True)
    raise Refused(f"sbatch refused the job: {_reason(message)}")


def _require_single_lines(settings: Mapping[str, Any]) -> None:
    """Raises ValueError for multi-line settings and ``additional_parameters``, except ``setup``."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            _require_single_lines({f"{key}: {flag}": text for flag, text in value.items()})
        elif key != "setup" and not f"{key}{value}".isprintable():
            raise ValueError(f"{key} must be a single line without control characters: {value!r}")


def _jobs_of(submission: Submission) -> list[str]:
    jobs = queue.queued([submission.job_name], timeout_seconds=30.0)
    return [job.job_id for job in jobs if job.uid == submission.uid and job.is_live]


def _reason(message: str) -> str:
    """Return the controller's words without submitit's text around them."""
    lines = [line.partition("error: ")[2] for line in message.splitlines() if "error: " in line]
    return "; ".join(line.strip() for line in lines if line) or " ".join(message.split())
