"""Join the processes that train one model, exchange values among them, and choose the device.

Rank 0 alone claims, writes and measures runs, and calls the others to each run (`from_first`). In a
single process every exchange returns at once, so callers need not distinguish. The module does not
import Lightning, so that a launcher can use it.
"""

import os
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed

Value = TypeVar("Value")

# Long, because the others wait for the next run while rank 0 measures.
TIMEOUT = timedelta(hours=6)


def join(
    *,
    rank: int,
    num_processes: int,
    local_rank: int,
    node: int,
    num_nodes: int,
    master_host: str,
    master_port: int,
) -> None:
    """Join the process group and set the variables in which Lightning looks for it."""
    os.environ.update(
        RANK=str(rank),
        WORLD_SIZE=str(num_processes),
        LOCAL_RANK=str(local_rank),
        NODE_RANK=str(node),
        NUM_NODES=str(num_nodes),
        MASTER_ADDR=master_host,
        MASTER_PORT=str(master_port),
    )
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=TIMEOUT)


def leave() -> None:
    """Leave the group; if it is left to the interpreter's exit, the process may abort there."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def rank() -> int:
    """Return this process's rank; rank 0 writes files."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def num_processes() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def num_nodes() -> int:
    """Return the number of machines they run on."""
    return int(os.environ.get("NUM_NODES", "1")) if distributed.is_initialized() else 1


def from_first(value: Value) -> Value:
    """Return rank 0's value on every rank."""
    if num_processes() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def any_of(flag: bool) -> bool:
    """Return whether the flag is set on any rank."""
    if num_processes() == 1:
        return flag
    raised = torch.tensor(int(flag))
    distributed.all_reduce(raised, distributed.ReduceOp.MAX)
    return bool(raised)


def from_all(value: float) -> list[float]:
    """Return every rank's value, in the order of ranks."""
    if num_processes() == 1:
        return [value]
    values: list[float] = [0.0] * num_processes()
    distributed.all_gather_object(values, value)
    return values


def mean_of_all(values: Tensor) -> Tensor:
    """Return the mean over processes; a single process does not wait."""
    if num_processes() == 1:
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total / num_processes()


ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


def device_of(accelerator: str) -> torch.device:
    """Return the device that Lightning chooses for this accelerator; raises ValueError."""
    if accelerator not in ACCELERATORS:
        raise ValueError(
            f"host.accelerator must be one of {', '.join(ACCELERATORS)}, got {accelerator!r}"
        )
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device({"gpu": "cuda"}.get(accelerator, accelerator))


def require_device(accelerator: str) -> None:
    """Raises ValueError if this machine lacks the accelerator that training needs."""
    device = device_of(accelerator).type
    if not (device == "cpu" or getattr(torch, device).is_available()):
        raise ValueError(
            f"host.accelerator={accelerator}: torch finds none on this machine; auto takes what "
            "there is, and rote doctor lists it"
        )
