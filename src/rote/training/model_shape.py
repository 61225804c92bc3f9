"""The properties of a model that decide how much memory its training takes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from torch import nn

from rote.models.contracts import (
    HasActivationBytes,
    HasBlocks,
    HasDropout,
    HasHead,
    StepFormat,
)
from rote.models.count import (
    frozen_parameters,
    num_passes,
    trainable_parameters,
    training_flops_per_token,
)


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Sizes and methods that `rote.training.memory` reads."""

    parameters: int  # that train
    frozen_parameters: int
    block_parameters: int  # of the largest block
    outside_parameters: int  # of no block: embeddings, the final norm, the head
    flops_per_token: float  # of training
    num_blocks: int  # that run, one that runs twice as two
    width: int
    vocab_size: int
    drops_embeddings: bool
    # What one block keeps of each position. Equal blocks have unequal methods.
    block_bytes: Callable[[StepFormat], float] = field(compare=False)

    @classmethod
    def of(cls, model: nn.Module) -> "ModelShape":
        """Read the properties off a model, which may be on the meta device."""
        vocab_size, width = model.head.shape if isinstance(model, HasHead) else (0, 0)
        blocks = list(model.blocks) if isinstance(model, HasBlocks) else []
        block = blocks[0] if blocks else None
        sizes = [trainable_parameters(one) + frozen_parameters(one) for one in blocks]
        parameters, frozen = trainable_parameters(model), frozen_parameters(model)
        return cls(
            parameters=parameters,
            frozen_parameters=frozen,
            block_parameters=max(sizes, default=0),
            outside_parameters=parameters + frozen - sum(sizes),
            flops_per_token=training_flops_per_token(model),
            num_blocks=num_passes(model),
            width=width,
            vocab_size=vocab_size,
            drops_embeddings=isinstance(model, HasDropout) and "embedding" in model.dropout_places,
            block_bytes=block.activation_bytes
            if isinstance(block, HasActivationBytes)
            else partial(_as_of_gpt2, width),
        )


def _as_of_gpt2(width: int, step: StepFormat) -> float:
    """Return what a GPT-2 block keeps of a position: 2 D of norms and 14 D of products."""
    return 2 * width * step.weight_bytes + 14 * width * step.product_bytes
