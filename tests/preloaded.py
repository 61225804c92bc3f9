"""Workers of local sweeps that need not import torch and Lightning first, which takes ten seconds.

They are forked from a process that has imported everything; all else is as submitit does it. That
the real start works is tested in tests/cluster.
"""

import multiprocessing
import os
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from submitit.core.submission import process_job
from submitit.core.utils import JobPaths

from rote.cluster.journal import Submission
from rote.cluster.liveness import _processes as seen_by_ps

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["rote.run.execute", "rote.cluster.worker", "submitit", "torch.distributed.fsdp"]
)


STARTED: list[tuple[BaseProcess, Path]] = []


class Started:
    """What submitit asks of a controller, which here is the worker itself."""

    def __init__(self, process: BaseProcess) -> None:
        self.process, self.pid = process, process.pid

    def poll(self) -> int | None:
        return self.process.exitcode

    def kill(self) -> None:
        self.process.kill()


def start(folder: Path, **_: object) -> Started:
    """In the place of `submitit.local.local.start_controller`."""
    process = CONTEXT.Process(target=_work, args=(folder, dict(os.environ), Path.cwd()))
    process.start()
    STARTED.append((process, folder))
    return Started(process)


def processes(submissions: Sequence[Submission]) -> dict[str, str]:
    """What `ps` tells `rote.cluster.liveness`, whose command lines name no folder of ours."""
    ours = {str(one.pid): str(folder) for one, folder in STARTED if one.is_alive()}
    return {**seen_by_ps(submissions), **ours}


def _work(folder: Path, environment: dict[str, str], current: Path) -> None:
    os.chdir(current)
    job = str(os.getpid())
    os.environ.clear()
    os.environ.update(environment)
    os.environ.update(
        SUBMITIT_EXECUTOR="local", SUBMITIT_LOCAL_JOB_ID=job, SUBMITIT_LOCAL_NTASKS="1",
        SUBMITIT_LOCAL_LOCALID="0", SUBMITIT_LOCAL_GLOBALID="0", SUBMITIT_LOCAL_NODEID="0",
        SUBMITIT_LOCAL_JOB_NUM_NODES="1", CUDA_VISIBLE_DEVICES="",
    )  # fmt: skip
    paths = JobPaths(folder, job, 0)
    for path, number in ((paths.stdout, 1), (paths.stderr, 2)):
        with path.open("a") as file:
            os.dup2(file.fileno(), number)
    process_job(folder)
