"""Many calls as one CUDA graph: a whole step of a stack, or loss and gradient of whole data sets.

A small model's step is many short kernels, and a GPU waits for the calls between them; a graph is
recorded once and replayed by one call.

The loss of a training step through torch.compile: off unless the host asks for it.

Only training is compiled; measures read the same weights through the plain functions. What is
compiled is kept on disk by torch (TORCHINDUCTOR_CACHE_DIR), so that the next run of a shape starts
in seconds. Results agree to the last digits only, as with more threads.
"""

from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.optim import Optimizer

WARMUP_STEPS = 3  # real ones, on a stream of their own: torch's recipe for recording

Step = Callable[..., Tensor]


class Graphed:
    """As ``step``, whose kernels are recorded at the fourth call and replayed from then on.

    ``step(*tensors)`` may neither wait for the GPU nor look at what is on it, and every call has to
    have the same shapes. Its optimisers are told while it is recorded.
    """

    def __init__(self, step: Step, optimisers: tuple[Optimizer, ...] = ()) -> None:
        self.step, self.optimisers = step, optimisers
        self.left_to_warm_up = WARMUP_STEPS
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *tensors: Tensor) -> Tensor:
        """What ``step`` returns."""
        if self.left_to_warm_up:
            self.left_to_warm_up -= 1
            return self._on_the_side(tensors)
        if self.graph is None:
            self._record(tensors)
        assert self.graph is not None
        for read, given in zip(self.inputs, tensors, strict=True):
            read.copy_(given)
        self.graph.replay()
        return self.output.clone()

    def _on_the_side(self, tensors: Sequence[Tensor]) -> Tensor:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            output = self.step(*tensors)
        torch.cuda.current_stream().wait_stream(stream)
        return output

    def _record(self, tensors: Sequence[Tensor]) -> None:
        """Nothing is computed: the step of these tensors is the first replay."""
        self.inputs = [one.clone() for one in tensors]
        groups = [group for one in self.optimisers for group in one.param_groups]
        capturable = [group for group in groups if "capturable" in group]
        graph = torch.cuda.CUDAGraph()
        try:
            for group in capturable:
                group["capturable"] = True
            with torch.cuda.graph(graph):
                self.output = self.step(*self.inputs)
        finally:
            for group in capturable:  # a checkpoint with it could not be read on a CPU
                group["capturable"] = False
        self.graph = graph


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
