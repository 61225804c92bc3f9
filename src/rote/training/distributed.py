"""Several processes that train one model: who they are, and the little they tell each other.

Alone, every function answers at once: a run need not know whether it has company.

Where a run trains; without Lightning, so that a launcher can ask.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed

Value = TypeVar("Value")

# Rank 0 measures while the others wait for the next run.
TIMEOUT = timedelta(hours=6)


@dataclass(frozen=True, kw_only=True)
class DistributedProcess:
    """One process among those that the launcher started."""

    rank: int
    num_processes: int
    local_rank: int
    node: int
    num_nodes: int
    master_host: str
    master_port: int

    def join(self) -> None:
        """Meet the others. Lightning finds the group made, and the variables its own names."""
        os.environ.update(
            RANK=str(self.rank),
            WORLD_SIZE=str(self.num_processes),
            LOCAL_RANK=str(self.local_rank),
            NODE_RANK=str(self.node),
            NUM_NODES=str(self.num_nodes),
            MASTER_ADDR=self.master_host,
            MASTER_PORT=str(self.master_port),
        )
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        distributed.init_process_group(backend, timeout=TIMEOUT)


def leave() -> None:
    """Leave the others; a group left to the interpreter's end may abort the process there."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def rank() -> int:
    """0 for the one that writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def num_processes() -> int:
    """How many train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def num_nodes() -> int:
    """How many machines they are on."""
    return int(os.environ.get("NUM_NODES", "1")) if distributed.is_initialized() else 1


def from_first(value: Value) -> Value:
    """What rank 0 gave, on every rank."""
    if num_processes() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def any_of(flag: bool) -> bool:
    """Whether the flag is up on any rank."""
    if num_processes() == 1:
        return flag
    raised = torch.tensor(int(flag))
    distributed.all_reduce(raised, distributed.ReduceOp.MAX)
    return bool(raised)


def from_all(value: float) -> list[float]:
    """Every rank's value, in the order of ranks."""
    if num_processes() == 1:
        return [value]
    values: list[float] = [0.0] * num_processes()
    distributed.all_gather_object(values, value)
    return values


def mean_of_all(values: Tensor) -> Tensor:
    """The mean over processes; nothing is waited for where there is one."""
    if num_processes() == 1:
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total / num_processes()


ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


def device_of(accelerator: str) -> torch.device:
    """The device Lightning chooses for this accelerator; raises ValueError with the choices."""
    if accelerator not in ACCELERATORS:
        raise ValueError(
            f"host.accelerator must be one of {', '.join(ACCELERATORS)}, got {accelerator!r}"
        )
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device({"gpu": "cuda"}.get(accelerator, accelerator))


def require_device(accelerator: str) -> None:
    """Raises ValueError where this machine, which is to train, has no such accelerator."""
    device = device_of(accelerator).type
    if not (device == "cpu" or getattr(torch, device).is_available()):
        raise ValueError(
            f"host.accelerator={accelerator}: torch finds none on this machine; auto takes what "
            "there is, and rote doctor lists it"
        )
