"""Define the optional interfaces of a model, and check a model before training.

A model is an `nn.Module` with ``forward(tokens_BL) -> logits_BLV``; each protocol that it fulfils
makes it faster or allows more measures. Shapes: B sequences, L positions, V vocabulary, D width.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

PROBE_LENGTH = 8  # tokens, at most, of the two sequences that a model is tested on
SAME = 1e-3  # relative tolerance: logits of one prefix may be summed in another order


@runtime_checkable
class HasHead(Protocol):
    """Logits are ``hidden(tokens_BL) @ head.T``, so they can be computed and dropped in chunks."""

    @property
    def head(self) -> Tensor:
        """[V, D], a tensor and not a module; it may be the token embedding's weight."""

    def hidden(self, tokens_BL: Tensor) -> Tensor:
        """Return the head's input, [B, L] int64 -> [B, L, D]."""


@runtime_checkable
class HasBlocks(Protocol):
    """Equal modules run one after another, so they can be recomputed or sharded."""

    blocks: nn.ModuleList


@runtime_checkable
class HasPasses(Protocol):
    """The model runs its blocks in an order of its own, some more than once."""

    blocks: nn.ModuleList

    def passes(self) -> Iterator[nn.Module]:
        """Yield the blocks in the order in which they run, repeated ones repeatedly."""


@runtime_checkable
class HasActiveParameters(Protocol):
    """A token uses a part of the parameters, as in a mixture of experts."""

    @property
    def active_parameters(self) -> int:
        """The number of parameters that a token uses, the same for every token."""


FLOAT32 = 4  # bytes


@dataclass(frozen=True, kw_only=True)
class StepFormat:
    """What decides, besides the model, how many bytes a position's activations take."""

    length: int
    weight_bytes: int  # of one number of the residual
    product_bytes: int  # of one number that a matrix product reads or gives
    on_cpu: bool
    has_own_weights: bool  # each sequence has its own, under vmap

    def cast_inputs(self, number: int) -> int:
        """Return how many copies of one input so many products keep: autocast makes one each."""
        return number if self.product_bytes < self.weight_bytes else 1


@runtime_checkable
class HasActivationBytes(Protocol):
    """The block states what it keeps for the backward pass."""

    def activation_bytes(self, step: StepFormat) -> float:
        """Return the bytes that the block keeps of one position: inputs of products and norms."""


@runtime_checkable
class HasAttentionWidth(Protocol):
    """A layer whose every position attends to all earlier ones, at a cost that grows with them."""

    attention_width: int  # heads times the width of a head


@runtime_checkable
class HasCache(Protocol):
    """The model continues from a cache, so that decoding computes each position once."""

    head: Tensor

    def __call__(self, tokens_BL: Tensor) -> Tensor:
        """Return logits, [B, L] int64 -> [B, L, V]."""

    @property
    def past_numbers(self) -> int:
        """How many numbers the cache keeps of each token."""

    def pasts(self) -> Sequence[Any]:
        """Return an empty cache."""

    def read(self, tokens_BL: Tensor, pasts: Sequence[Any]) -> Tensor:
        """Return hidden states [B, L, D] of tokens after those of ``pasts``, and add them to it."""


@runtime_checkable
class HasDropout(Protocol):
    """The model has places where numbers can be dropped in training."""

    def set_dropout(self, rate: float, places: Collection[str]) -> None:
        """Drop at these of `rote.models.attention.PLACES` from now on; nothing before."""

    @property
    def dropout_places(self) -> Collection[str]:
        """The places with dropout."""


def require_contract(model: nn.Module, *, vocab_size: int) -> None:
    """Check the types and shapes of head and blocks; the model may be on the meta device.

    Raises ValueError with one line.
    """
    name = type(model).__name__
    head = getattr(model, "head", None)
    if head is not None and not isinstance(head, Tensor):
        raise ValueError(
            f"{name}.head must be a tensor [V, D], for example head.weight, "
            f"not a {type(head).__name__}"
        )
    if isinstance(head, Tensor) and (head.ndim != 2 or len(head) != vocab_size):
        raise ValueError(
            f"{name}.head must be of shape [{vocab_size}, D], not {list(head.shape)}: the "
            "vocabulary is the task's"
        )
    if head is not None and not callable(getattr(model, "hidden", None)):
        raise ValueError(f"{name} has `head` and no method `hidden(tokens_BL)`: give it both")
    blocks = getattr(model, "blocks", None)
    if blocks is not None and not isinstance(blocks, nn.ModuleList):
        raise ValueError(f"{name}.blocks must be an nn.ModuleList, not {type(blocks).__name__}")


@torch.inference_mode()
def require_causal(model: nn.Module, *, vocab_size: int, length: int) -> None:
    """Test on two short sequences that differ in their last token, in the model's device and mode.

    Raises ValueError with one line where it does not give logits [B, L, V], or where the logits of
    a position depend on later tokens.
    """
    name, was_training = type(model).__name__, model.training
    device = next(model.parameters()).device
    tokens_BL = torch.arange(2 * min(length, PROBE_LENGTH), device=device).view(2, -1) % vocab_size
    tokens_BL[1, :-1] = tokens_BL[0, :-1]
    tokens_BL[1, -1] = (tokens_BL[0, -1] + 1) % vocab_size
    try:
        logits_BLV = model.eval()(tokens_BL)
    except Exception as error:
        raise ValueError(
            f"{name}.forward fails on tokens [2, {tokens_BL.shape[1]}]: "
            f"{type(error).__name__}: {error}".partition("\n")[0]
        ) from error
    finally:
        model.train(was_training)
    wanted = [*tokens_BL.shape, vocab_size]
    if not isinstance(logits_BLV, Tensor):
        raise ValueError(
            f"{name}.forward must give logits as one tensor, not a {type(logits_BLV).__name__}"
        )
    if list(logits_BLV.shape) != wanted:
        raise ValueError(
            f"{name}.forward gives {list(logits_BLV.shape)}, wanted {wanted}: [B, L, V]"
        )
    one, other = logits_BLV[:, :-1].float()
    if not one.numel():
        return  # sequences of one token have no earlier position
    if not torch.allclose(one, other, rtol=SAME, atol=SAME * float(one.abs().max())):
        raise ValueError(
            f"{name} is not causal: its logits of a position depend on later tokens, so that it "
            "gives no likelihood of a sequence"
        )
