"""Define GPT-2 without biases and with an MLP of any width, an option of nanoGPT (Karpathy, MIT).

The models of Barron and White 2025 (arXiv 2506.09099) are of this kind: their counts leave the
position embedding out, as nanoGPT prints them. Theirs has the exact GELU, ours GPT-2's tanh.
"""

from torch import nn

from rote.core.checks import require_whole
from rote.models.gpt import GPT, Block


class NanoGPT(GPT):
    """A `GPT` with an MLP of another width and no biases, in norms neither.

    P = V d + S d + L ((4 + 2 m) d^2 + 2 d) + d parameters, m = ``mlp_ratio``; nanoGPT itself prints
    P - S d. Raises ValueError for a size that cannot be built.
    """

    def __init__(self, *, width: int, mlp_ratio: int, **gpt: int) -> None:
        require_whole("size.mlp_ratio", mlp_ratio, 1)
        super().__init__(width=width, **gpt)
        for block in self.blocks:
            assert isinstance(block, Block)
            block.expand = nn.Linear(width, mlp_ratio * width)
            block.contract = nn.Linear(mlp_ratio * width, width)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.LayerNorm):
                module.register_parameter("bias", None)
        self._initialise()
