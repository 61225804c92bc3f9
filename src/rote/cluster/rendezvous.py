"""The processes that SLURM starts for one job: alone, or several that train one run together."""

import os
from collections.abc import Callable

import submitit

from rote.training import distributed
from rote.training.distributed import DistributedProcess

FIRST_PORT = 20_000  # below the ports that systems give out by themselves
NUM_PORTS = 12_000


def join_processes() -> None:
    """Join the others of this job; raises what torch raises where one is missing."""
    environment = submitit.JobEnvironment()
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", 0))
    # No two jobs on a node, and no two lives of one job, should meet on one port.
    port = FIRST_PORT + (7 * int(os.environ["SLURM_JOB_ID"]) + restarts) % NUM_PORTS
    DistributedProcess(
        rank=environment.global_rank,
        num_processes=environment.num_tasks,
        local_rank=environment.local_rank,
        node=environment.node,
        num_nodes=environment.num_nodes,
        master_host=environment.hostnames[0],
        master_port=port,
    ).join()


def follow_rank_0(stop: Callable[[], bool]) -> None:
    """What every process but the first does until it is dismissed."""
    from rote.run.execute import assist

    try:
        assist(stop)
    finally:
        distributed.leave()


def release_processes() -> None:
    """Tell the others that no run is left."""
    distributed.from_first(None)
    distributed.leave()
