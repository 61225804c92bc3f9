"""Define a GPT whose blocks run several times, which adds depth without parameters.

Source: Dehghani et al. 2018, Universal Transformers (arXiv 1807.03819), without its halting.
"""

from collections.abc import Iterator

from torch import nn

from rote.core.checks import require_whole
from rote.models.gpt import GPT


class Looped(GPT):
    """A `GPT`, with the same parameters, whose blocks run ``num_loops`` times one after another.

    Raises ValueError for a size that cannot be built.
    """

    def __init__(self, *, num_loops: int, **gpt: int) -> None:
        require_whole("model.num_loops", num_loops, 1)
        self.num_loops = num_loops
        super().__init__(**gpt)

    def passes(self) -> Iterator[nn.Module]:
        """Yield all blocks, once for each loop."""
        for _ in range(self.num_loops):
            yield from self.blocks
