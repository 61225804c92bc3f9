"""Run a sweep on this machine: submitit starts a worker that outlives the launcher."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from socket import gethostname
from typing import ClassVar

import submitit

from rote.cluster.host import HowRunsTrain, Launch, LaunchRequest
from rote.cluster.pack import SHARING, stack_on_gpu, stacks
from rote.cluster.plan import Point
from rote.cluster.verified_job import START, private, record_digest
from rote.cluster.worker import work
from rote.config.host_and_log import AUTO
from rote.core.process import isolated_children

MINUTES_WITHOUT_END = 60 * 24 * 365  # submitit ends a local job in time; runs have budgets


@dataclass(frozen=True, kw_only=True)
class LocalHost(HowRunsTrain):
    """The keys of conf/host/local.yaml; raises ValueError for an unusable value."""

    detached: ClassVar[bool] = False

    workers: int | None
    stack: int | str

    def check(self, point: Point) -> None:
        """Raises ValueError if this machine lacks the accelerator."""
        from rote.training.distributed import require_device

        require_device(self.accelerator)

    def processes(self, parameters: int) -> int:
        """Return 1: each run has one process."""
        return 1

    def stack_of(self, point: Point) -> int:
        """Return `host.stack`; auto: 1 on a CPU, else what fits into a process's share of a GPU."""
        if self.stack != AUTO:
            return int(self.stack)
        memory_gib = gpus_gib(self.accelerator)
        if not memory_gib:
            return 1
        sharing = -(-self._places() // len(memory_gib))
        return stack_on_gpu(point, min(memory_gib) / sharing)

    def _places(self) -> int:
        """Return how many processes train at a time, at most."""
        cores = len(os.sched_getaffinity(0))
        gpus = gpus_gib(self.accelerator) if self.stack == AUTO else ()
        return self.workers or min(cores, SHARING * len(gpus)) or cores

    def launch(self, order: LaunchRequest) -> Launch:
        """Start one worker; it trains as many stacks at a time as `host.workers` allows."""
        submission = order.journal.begin(host=gethostname(), job_name="")
        folder = order.journal.jobs_folder(submission.uid)
        together = stacks(order.todo, self.stack_of)
        places = min(len(together), self._places())
        assignment = order.assignment(together, runs_at_once=places)
        with private(folder):
            executor = submitit.LocalExecutor(folder=folder, python=START)
            executor.update_parameters(timeout_min=MINUTES_WITHOUT_END, gpus_per_node=_num_gpus())
            with _interrupts_ignored(), isolated_children(*order.import_first):
                job = executor.submit(work, assignment)
            digests = record_digest(folder)
        jobs = {job.job_id: [point.run_id for point in order.todo]}
        order.journal.sent(submission, jobs, digests)
        return Launch((job.job_id,), len(order.todo), self.detached)


@cache
def gpus_gib(accelerator: str) -> tuple[float, ...]:
    """Return the memory of each CUDA device that this accelerator stands for here, in GiB."""
    import torch

    from rote.training.distributed import device_of

    if device_of(accelerator).type != "cuda":
        return ()
    devices = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return tuple(device.total_memory / 2**30 for device in devices)


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
