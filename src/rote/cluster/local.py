"""Run a sweep on this machine: submitit starts a worker that outlives the launcher."""

import dataclasses
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import gethostname
from typing import ClassVar

import submitit

from rote.cluster.host import Launch, LaunchRequest
from rote.cluster.plan import Point
from rote.cluster.snapshot import LIVE
from rote.cluster.verified_job import START, private, record_digest
from rote.cluster.worker import work
from rote.config.host_and_log import require_host
from rote.core.process import isolated_children

MINUTES_WITHOUT_END = (
    60 * 24 * 365
)  # submitit kills a local job at its time limit; runs have budgets


@dataclass(frozen=True, kw_only=True)
class LocalHost:
    """The keys of conf/host/local.yaml; raises ValueError for an unusable value."""

    detached: ClassVar[bool] = False

    workers: int | None
    stack: int
    threads: int
    accelerator: str
    recompute_above_gib: float | None
    strategy: str
    compile: str | None
    checkpoint_every_seconds: float
    code: str = LIVE  # as plans of earlier versions have it

    def __post_init__(self) -> None:
        require_host(dataclasses.asdict(self))

    def check(self, point: Point) -> None:
        """Raises ValueError if this machine lacks the accelerator."""
        from rote.training.distributed import require_device

        require_device(self.accelerator)

    def processes(self, parameters: int) -> int:
        """Return 1: each run has one process."""
        return 1

    def stack_of(self, parameters: int) -> int:
        """Return the stack size, the same for all model sizes."""
        return self.stack

    def launch(self, order: LaunchRequest) -> Launch:
        """Start one worker; it runs as many runs at a time as there are cores."""
        submission = order.journal.begin(host=gethostname(), job_name="")
        folder = order.journal.jobs_folder(submission.uid)
        places = min(len(order.todo), self.workers or len(os.sched_getaffinity(0)))
        assignment = order.assignment(order.todo, runs_at_once=places, stack=self.stack)
        with private(folder):
            executor = submitit.LocalExecutor(folder=folder, python=START)
            executor.update_parameters(timeout_min=MINUTES_WITHOUT_END, gpus_per_node=_num_gpus())
            with _interrupts_ignored(), isolated_children(*order.import_first):
                job = executor.submit(work, assignment)
            digests = record_digest(folder)
        jobs = {job.job_id: [point.run_id for point in order.todo]}
        order.journal.sent(submission, jobs, digests)
        return Launch((job.job_id,), len(order.todo), self.detached)


def _num_gpus() -> int:
    import torch  # a launcher on a login node does not need it

    return torch.cuda.device_count()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C, which reaches all processes of a terminal: we stop workers by checkpoint."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
