"""Several sets of weights of one model in one pass, through `torch.func.vmap`.

A model knows nothing of it. Shapes: K sets of weights, B sequences of each, L positions.
"""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from rote.models.likelihood import Model

_ALL_KERNELS = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)


def side_by_side(
    template: nn.Module, weights: Mapping[str, Tensor], *, num_sets: int, randomness: str = "error"
) -> Model:
    """As a model: [K * B, L] -> [K * B, L, V], set after set; weights have an axis of sets first.

    ``randomness`` is vmap's: whether dropout may draw, "different" for each set.
    """

    def one(of_set: Mapping[str, Tensor], inputs_BL: Tensor) -> Tensor:
        return functional_call(template, dict(of_set), (inputs_BL,))

    def logits(inputs_BL: Tensor) -> Tensor:
        inputs_KBL = inputs_BL.view(num_sets, -1, inputs_BL.shape[1])
        # The fused kernel of the CPU has no rule for vmap, which would go through it in a loop.
        kernels = list(_ALL_KERNELS) if inputs_BL.is_cuda else [SDPBackend.MATH]
        with sdpa_kernel(kernels):
            return vmap(one, randomness=randomness)(weights, inputs_KBL).flatten(0, 1)

    return logits
