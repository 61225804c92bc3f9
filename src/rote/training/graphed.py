"""A whole step of a stack as one CUDA graph: one call where there were hundreds.

A small model's step is many short kernels, and a GPU waits for the calls between them; a graph is
recorded once and replayed by one call. Shapes: K members, B batch, L positions.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

WARMUP_STEPS = 3  # real ones, on a stream of their own: torch's recipe for recording

Step = Callable[[Tensor, Tensor], Tensor]


class Graphed:
    """As ``step``, whose kernels are recorded at the fourth call and replayed from then on.

    ``step(tokens_KBL, fractions_K)`` may neither wait for the GPU nor look at what is on it, and
    every call has to have the same shapes. Its optimisers are told while it is recorded.
    """

    def __init__(self, step: Step, optimisers: tuple[Optimizer, ...]) -> None:
        self.step, self.optimisers = step, optimisers
        self.left_to_warm_up = WARMUP_STEPS
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, tokens_KBL: Tensor, fractions_K: Tensor) -> Tensor:
        """What ``step`` returns."""
        if self.left_to_warm_up:
            self.left_to_warm_up -= 1
            return self._on_the_side(tokens_KBL, fractions_K)
        if self.graph is None:
            self._record(tokens_KBL, fractions_K)
        assert self.graph is not None
        self.tokens_KBL.copy_(tokens_KBL)
        self.fractions_K.copy_(fractions_K)
        self.graph.replay()
        return self.nats_K.clone()

    def _on_the_side(self, tokens_KBL: Tensor, fractions_K: Tensor) -> Tensor:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            nats_K = self.step(tokens_KBL, fractions_K)
        torch.cuda.current_stream().wait_stream(stream)
        return nats_K

    def _record(self, tokens_KBL: Tensor, fractions_K: Tensor) -> None:
        """Nothing is computed: the step of these tokens is the first replay."""
        self.tokens_KBL, self.fractions_K = tokens_KBL.clone(), fractions_K.clone()
        groups = [group for one in self.optimisers for group in one.param_groups]
        capturable = [group for group in groups if "capturable" in group]
        graph = torch.cuda.CUDAGraph()
        try:
            for group in capturable:
                group["capturable"] = True
            with torch.cuda.graph(graph):
                self.nats_K = self.step(self.tokens_KBL, self.fractions_K)
        finally:
            for group in capturable:  # a checkpoint with it could not be read on a CPU
                group["capturable"] = False
        self.graph = graph
