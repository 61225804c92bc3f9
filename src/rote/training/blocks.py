"""Run a model's blocks compiled, or twice, and with one kernel of attention, while it trains."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from rote.models.contracts import HasBlocks

KERNELS = {  # by host.attention
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "flash": SDPBackend.FLASH_ATTENTION,
    "math": SDPBackend.MATH,
}
HEAD_WIDTH = 64  # of the head that a kernel is tried on

Forward = Callable[..., Any]


def train_blocks(model: nn.Module, *, compiled: bool, recomputed: bool) -> None:
    """Change how blocks run where gradients are computed, in place; names of parameters stay.

    ``compiled``: through torch.compile. Equal blocks share one graph, or several pieces where torch
    cannot follow a block. ``recomputed``: again in the backward pass, for which a block then keeps
    its input alone: a third more arithmetic, the same result (Chen et al. 2016, arXiv 1604.06174).
    """
    if not isinstance(model, HasBlocks):
        return
    forwards: dict[type, Forward] = {}
    if compiled:
        torch.compiler.reset()  # torch compiles a function for 8 shapes of a process at most
        kinds = {type(block) for block in model.blocks}
        forwards = {kind: torch.compile(kind.forward, dynamic=False) for kind in kinds}
    for block in model.blocks if compiled or recomputed else ():
        trained = partial(forwards[type(block)], block) if compiled else block.forward
        if recomputed:
            trained = partial(checkpoint, trained, use_reentrant=False)
        block.forward = partial(_run, block.forward, trained)


def restore_blocks(model: nn.Module) -> None:
    """Undo `train_blocks`."""
    for block in model.blocks if isinstance(model, HasBlocks) else ():
        vars(block).pop("forward", None)


def _run(plain: Forward, trained: Forward, *inputs: Any) -> Any:
    """Run the plain block where no gradients are computed: measures know of none of this."""
    return (trained if torch.is_grad_enabled() else plain)(*inputs)


@contextmanager
def attention_kernel(name: str | None) -> Iterator[None]:
    """Let torch's attention take this kernel alone; None: torch chooses."""
    if name is None:
        yield
        return
    # Torch's cache of compiled code does not tell kernels apart (torch 2.11): without a tag a run
    # would get the code that another run compiled with another kernel.
    tagged = torch.compiler.config.patch(cache_key_tag=f"attention={name}")  # type: ignore[attr-defined]
    with sdpa_kernel(KERNELS[name]), tagged:
        yield


def require_kernel(name: str | None, *, device: torch.device, dtype: torch.dtype) -> None:
    """Try the kernel on one narrow head; raises ValueError if the device has none for the format.

    Nothing is tried for a GPU that is not here.
    """
    if name is None or (device.type == "cuda" and not torch.cuda.is_available()):
        return
    head_11LK = torch.zeros(1, 1, 8, HEAD_WIDTH, dtype=dtype, device=device)
    attend = partial(functional.scaled_dot_product_attention, is_causal=True)
    try:
        with attention_kernel(name), warnings.catch_warnings(action="ignore"):  # torch's reasons
            attend(head_11LK, head_11LK, head_11LK)
    except RuntimeError as error:
        format_name = str(dtype).removeprefix("torch.")
        raise ValueError(
            f"host.attention={name}: torch has no such kernel for {format_name} on this "
            f"{device.type}; null lets torch choose"
        ) from error
