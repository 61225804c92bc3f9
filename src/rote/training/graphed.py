"""Speed up training steps: record them as CUDA graphs, or compile the loss with torch.compile.

A small model's step is many short kernels, and a GPU waits for the calls between them. A graph is
recorded once (a step of a stack, or loss and gradient of whole data sets) and replayed by one call.

torch.compile is off unless the host config selects it. Only training is compiled; measures read the
same weights through the plain functions. Torch keeps compiled code on disk
(TORCHINDUCTOR_CACHE_DIR), so the next run of a shape starts in seconds. Results differ in the last
digits, as with another number of threads. `rote.training.blocks` compiles blocks alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.optim import SGD, Optimizer

from rote.optim.muon import Muon

WARMUP_STEPS = 3  # real steps on a separate stream: torch's recipe for recording
RECORDS_ON = "cuda"  # the type of device that has graphs

Step = Callable[..., Any]  # returns a tensor or None


class Graphed:
    """Runs ``step`` normally three times, records its kernels at the fourth and replays them.

    ``step(*tensors)`` may not wait for the GPU or read its results, and every call must have the
    same shapes. Tensors that a step leaves elsewhere, such as gradients, stay where they were
    recorded: each replay overwrites them. The optimisers, all of them `is_recordable`, are set to
    capturable while it is recorded.
    """

    def __init__(self, step: Step, optimisers: tuple[Optimizer, ...] = ()) -> None:
        self.step, self.optimisers = step, optimisers
        self.left_to_warm_up = WARMUP_STEPS
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *tensors: Tensor) -> Any:
        """Return the result of ``step``, in memory of its own."""
        if self.left_to_warm_up:
            self.left_to_warm_up -= 1
            return self._on_the_side(tensors)
        if self.graph is None:
            self._record(tensors)
        assert self.graph is not None
        for read, given in zip(self.inputs, tensors, strict=True):
            assert read.shape == given.shape  # copy_ would repeat a smaller one
            read.copy_(given)
        self.graph.replay()
        return None if self.output is None else self.output.clone()

    def _on_the_side(self, tensors: Sequence[Tensor]) -> Any:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            output = self.step(*tensors)
        torch.cuda.current_stream().wait_stream(stream)
        return output

    def _record(self, tensors: Sequence[Tensor]) -> None:
        """Record without computing: the first replay computes the step of these tensors.

        Raises RuntimeError with a remedy where the device refuses a call of the step.
        """
        self.inputs = [one.clone() for one in tensors]
        groups = [group for one in self.optimisers for group in one.param_groups]
        capturable = [group for group in groups if "capturable" in group]
        graph = torch.cuda.CUDAGraph()
        try:
            for group in capturable:
                group["capturable"] = True
            with torch.cuda.graph(graph):
                self.output = self.step(*self.inputs)
        except RuntimeError as error:
            remedy = "host.compile=null trains without"
            raise RuntimeError(f"no CUDA graph of this step: {remedy} ({error})") from error
        finally:
            for group in capturable:  # a CPU could not load a checkpoint with it
                group["capturable"] = False
        self.graph = graph


def is_recordable(optimiser: Optimizer) -> bool:
    """Return whether its step may be part of a graph: it reads nothing that is counted on the CPU.

    Torch's fused ones count their steps on the GPU. `rote.optim.soap.Soap` cannot be recorded: it
    renews its bases at some steps only.
    """
    return isinstance(optimiser, SGD | Muon) or bool(optimiser.defaults.get("fused"))


# The step as CUDA graphs, without a compiler. No effect on a CPU and for runs that cannot be
# stacked.
GRAPH = "graph"
BLOCKS = "blocks"  # the blocks alone, of a run that trains by itself
# The others are torch's names; reduce-overhead records CUDA graphs of the loss.
MODES = (GRAPH, BLOCKS, "default", "reduce-overhead", "max-autotune")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def require_mode(mode: str | None) -> None:
    """Raises ValueError for an unknown mode."""
    if mode is not None and mode not in MODES:
        raise ValueError(f"host.compile={mode!r}: choose from {MODES}, auto or null")


def is_recorded(mode: str | None, device: torch.device) -> bool:
    """Return whether steps are recorded as CUDA graphs on this device."""
    return mode == GRAPH and device.type == RECORDS_ON


def compiled(loss: Callable[Arguments, Result], mode: str | None) -> Callable[Arguments, Result]:
    """Return the loss, compiled if asked: for one batch shape, and for any once a stack shrinks."""
    return loss if mode in (None, GRAPH, BLOCKS) else torch.compile(loss, mode=mode)
