"""This machine as a host: a worker, started through submitit, that outlives the launcher."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import gethostname
from typing import ClassVar

import submitit

from rote.checks import require_whole
from rote.cluster.launch import Launch, Order
from rote.cluster.plan import Point
from rote.cluster.worker import work

MINUTES_WITHOUT_END = (
    60 * 24 * 365
)  # submitit kills a local job at its time limit; runs have budgets


@dataclass(frozen=True, kw_only=True)
class LocalHost:
    """The keys of conf/host/local.yaml."""

    detached: ClassVar[bool] = False

    workers: int | None
    stack: int
    threads: int
    accelerator: str
    recompute_above_gib: float | None
    strategy: str
    compile: str | None
    checkpoint_every_seconds: float

    def __post_init__(self) -> None:
        require_whole("host.stack", self.stack, least=1)
        if self.workers is not None:
            require_whole("host.workers", self.workers, least=1)

    def check(self, point: Point) -> None:
        """Whatever fits in the memory; raises ValueError where the device is not here."""
        from rote.training.device import require_device  # torch: not for those who only launch

        require_device(self.accelerator)

    def processes(self, parameters: int) -> int:
        """Each run has one."""
        return 1

    def launch(self, order: Order) -> Launch:
        """One worker, as many runs at a time as there are cores."""
        submission = order.journal.begin(host=gethostname(), job_name="")
        executor = submitit.LocalExecutor(folder=order.journal.jobs_folder(submission.uid))
        executor.update_parameters(timeout_min=MINUTES_WITHOUT_END, gpus_per_node=_num_gpus())
        places = min(len(order.todo), self.workers or len(os.sched_getaffinity(0)))
        assignment = order.assignment(order.todo, runs_at_once=places, stack=self.stack)
        with _interrupts_ignored():
            job = executor.submit(work, assignment)
        order.journal.sent(submission, {job.job_id: [point.run_id for point in order.todo]})
        return Launch((job.job_id,), len(order.todo), self.detached)


def _num_gpus() -> int:
    import torch  # a launcher on a login node has no need of it

    return torch.cuda.device_count()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ctrl-C reaches every process of the terminal: workers are told by us, to checkpoint first."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
