"""Connect the processes that SLURM starts for one job, if several train one run together."""

import os
from collections.abc import Callable

import submitit

from rote.training import distributed

FIRST_PORT = 20_000  # below the ports that systems assign automatically
NUM_PORTS = 12_000


def join_processes() -> None:
    """Join the other processes of this job; raises torch's error if one is missing."""
    environment = submitit.JobEnvironment()
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", 0))
    # No two jobs on a node, and no two restarts of one job, should share a port.
    port = FIRST_PORT + (7 * int(os.environ["SLURM_JOB_ID"]) + restarts) % NUM_PORTS
    distributed.join(
        rank=environment.global_rank,
        num_processes=environment.num_tasks,
        local_rank=environment.local_rank,
        node=environment.node,
        num_nodes=environment.num_nodes,
        master_host=environment.hostnames[0],
        master_port=port,
    )


def follow_rank_0(stop: Callable[[], bool]) -> None:
    """Train along with rank 0 until it has no run left; every other process does this."""
    from rote.run.execute import assist

    try:
        assist(stop)
    finally:
        distributed.leave()


def release_processes() -> None:
    """Tell the other processes that no run is left."""
    distributed.from_first(None)
    distributed.leave()
