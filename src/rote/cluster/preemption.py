"""Handle the signals that end a job: set a flag, checkpoint at the step boundary, requeue once.

SLURM sends SIGUSR2 before a time limit and, if so configured, at the start of a preemption's grace
period; it sends SIGTERM in all other cases. Here both only set a flag. A process that leaves asks
for the job's own state: RUNNING means that nobody has decided, so the job requeues itself; any
other state means that SLURM has decided, and a second requeue would bring back a cancelled job.
"""

import logging
import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rote.cluster import queue

LOG = logging.getLogger(__name__)
CANCELLED = "cancelled"  # a file in the submission's folder: its jobs are not requeued
ASK_SECONDS = 30.0  # squeue gives up by itself after 9 to 18 s without an answer
PAUSE_SECONDS = 1.0


class StopFlag:
    """Whether a signal has asked this process to end.

    submitit's own handlers, which our jobs do not install, would requeue at once, in the middle of
    a step, and take any preemption of a job of ten minutes or less for a time-out.
    """

    def __init__(self) -> None:
        self.signal_name: str | None = None

    def install(self) -> "StopFlag":
        """Handle the signals of this process from now on."""
        for number in (signal.SIGUSR2, signal.SIGTERM):
            signal.signal(number, self._note)
        return self

    def is_set(self) -> bool:
        """Return whether a signal has come."""
        return self.signal_name is not None

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signal_name = self.signal_name or signal.Signals(number).name


def own_job_id() -> str | None:
    """Return this job's id as SLURM commands take it; None outside SLURM.

    Never SLURM_JOB_ID for a task of an array: for the last task it is the id of the array, and a
    requeue would requeue every task.
    """
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")


def leave(folder: Path) -> NoReturn:
    """End this process after its checkpoint; the job comes back unless SLURM or a user decided."""
    job_id = own_job_id()
    if job_id is not None and os.environ.get("SLURM_PROCID", "0") == "0":
        _requeue_unless_decided(job_id, folder)
    raise SystemExit(0)


def _requeue_unless_decided(job_id: str, folder: Path) -> None:
    """Ask until the controller answers: if it returns and kills us, it has decided."""
    while True:
        state = queue.state_of(job_id, timeout_seconds=ASK_SECONDS)
        if (folder / CANCELLED).exists():
            LOG.warning("job %s: cancelled, not requeued", job_id)
            return
        if state not in (None, "RUNNING"):
            LOG.warning("job %s: its state is %s, somebody has decided", job_id, state)
            return
        if state == "RUNNING" and queue.requeue(job_id):
            LOG.warning("job %s: requeued", job_id)
            return
        time.sleep(PAUSE_SECONDS)
