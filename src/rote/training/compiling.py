"""The loss of a training step through torch.compile: off unless the host asks for it.

Only training is compiled; measures read the same weights through the plain functions. What is
compiled is kept on disk by torch (TORCHINDUCTOR_CACHE_DIR), so that the next run of a shape starts
in seconds. Results agree to the last digits only, as with more threads.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

# The whole step as one CUDA graph, through no compiler (`rote.training.graphed`). On a CPU, and for
# what cannot be stacked: no difference.
GRAPH = "graph"
# torch's names besides; reduce-overhead records CUDA graphs of the loss.
MODES = (GRAPH, "default", "reduce-overhead", "max-autotune")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def require_mode(mode: str | None) -> None:
    """Raises ValueError for a mode that is none."""
    if mode is not None and mode not in MODES:
        raise ValueError(f"host.compile={mode!r}: choose from {MODES} or null")


def compiled(loss: Callable[Arguments, Result], mode: str | None) -> Callable[Arguments, Result]:
    """As it is, or compiled: for one shape of batches, then, where a stack shrinks, for any."""
    return loss if mode in (None, GRAPH) else torch.compile(loss, mode=mode)
