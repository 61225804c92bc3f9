"""Define a GPT whose blocks run several times, which adds depth without parameters.

Source: Dehghani et al. 2018, Universal Transformers (arXiv 1807.03819), without its halting.
"""

import math
from collections.abc import Iterator

from torch import nn

from rote.core.checks import require_whole
from rote.models.gpt import GPT, INIT_STD


class Looped(GPT):
    """A `GPT`, with the same parameters, whose blocks run ``num_loops`` times one after another.

    Raises ValueError for a size that cannot be built.
    """

    def __init__(
        self,
        *,
        num_layers: int,
        width: int,
        num_heads: int,
        num_loops: int,
        vocab_size: int,
        max_length: int,
    ) -> None:
        require_whole("model.num_loops", num_loops, 1)
        self.num_loops = num_loops
        super().__init__(
            num_layers=num_layers,
            width=width,
            num_heads=num_heads,
            vocab_size=vocab_size,
            max_length=max_length,
        )

    def passes(self) -> Iterator[nn.Module]:
        """Yield all blocks, once for each loop."""
        for _ in range(self.num_loops):
            yield from self.blocks

    @property
    def residual_std(self) -> float:
        """The initial standard deviation of weights that add to the residual, for all passes."""
        return INIT_STD / math.sqrt(2 * len(self.blocks) * self.num_loops)
