"""Several sets of weights of one model in one pass, through `torch.func.vmap`.

A model knows nothing of it. Shapes: K sets of weights, B sequences of each, L positions.
"""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from rote.models.likelihood import Model


def stacked_model(
    template: nn.Module, weights: Mapping[str, Tensor], *, num_sets: int, randomness: str = "error"
) -> Model:
    """As a model: [K * B, L] -> [K * B, L, V], set after set; weights have an axis of sets first.

    ``randomness`` is vmap's: whether dropout may draw, "different" for each set.
    """

    def one(of_set: Mapping[str, Tensor], inputs_BL: Tensor) -> Tensor:
        return functional_call(template, dict(of_set), (inputs_BL,))

    def logits(inputs_BL: Tensor) -> Tensor:
        inputs_KBL = inputs_BL.view(num_sets, -1, inputs_BL.shape[1])
        # Fused kernels know no vmap: a CPU's is called in a loop, and the backward pass of CUDA's
        # raises "LSE is not correctly aligned" (torch 2.11, H100).
        with sdpa_kernel(SDPBackend.MATH):
            return vmap(one, randomness=randomness)(weights, inputs_KBL).flatten(0, 1)

    return logits
