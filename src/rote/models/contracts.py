"""What a model may offer besides ``forward(tokens_BL) -> logits_BLV``; checks before training.

A model is an `nn.Module`; each protocol that it fulfils makes it faster or lets more be measured.
Shapes: B sequences, L positions, V vocabulary, D width.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

PROBE_LENGTH = 8  # tokens, at most, of the two sequences that a model is tried on
SAME = 1e-3  # relative: logits of one prefix, added up in another order


@runtime_checkable
class HasHead(Protocol):
    """Logits are ``hidden(tokens_BL) @ head.T``: they can be made and forgotten in chunks."""

    @property
    def head(self) -> Tensor:
        """[V, D], a tensor and no module; it may be the token embedding's weight."""
        ...

    def hidden(self, tokens_BL: Tensor) -> Tensor:
        """[B, L] int64 -> [B, L, D]."""
        ...


@runtime_checkable
class HasBlocks(Protocol):
    """Equal modules that run one after another: they can run twice, or be shared out."""

    blocks: nn.ModuleList


@runtime_checkable
class HasPasses(Protocol):
    """Goes through its blocks in an order of its own, through some more than once."""

    blocks: nn.ModuleList

    def passes(self) -> Iterator[nn.Module]:
        """Blocks in the order in which they run, each as often as it does."""
        ...


@runtime_checkable
class HasActiveParameters(Protocol):
    """A token goes through a part of its parameters, as in a mixture of experts."""

    @property
    def active_parameters(self) -> int:
        """How many, the same for every token."""
        ...


@runtime_checkable
class HasKeptNumbers(Protocol):
    """Says what its blocks keep for the backward pass, where they are not built as GPT-2's."""

    @property
    def kept_numbers(self) -> int:
        """Of one block for each position, in float32: inputs of products, powers, norms."""
        ...


@runtime_checkable
class HasCache(Protocol):
    """Reads on from what it has read: each position is computed once when tokens are decoded."""

    head: Tensor

    def __call__(self, tokens_BL: Tensor) -> Tensor:
        """Logits, [B, L] int64 -> [B, L, V]."""
        ...

    @property
    def past_numbers(self) -> int:
        """What is kept of each token."""
        ...

    def pasts(self) -> Sequence[Any]:
        """Nothing read yet."""
        ...

    def read(self, tokens_BL: Tensor, pasts: Sequence[Any]) -> Tensor:
        """Hidden states [B, L, D] of tokens that follow those of ``pasts``, and join them."""
        ...


@runtime_checkable
class HasDropout(Protocol):
    """Has places where numbers can be dropped while it trains."""

    def set_dropout(self, rate: float, places: Collection[str]) -> None:
        """Drop at these of `rote.models.attention.PLACES` from now on, before that nothing."""
        ...

    @property
    def dropout_places(self) -> Collection[str]:
        """Where that is."""
        ...


def num_heads(model: nn.Module) -> int:
    """Of its attention, as the memory formula needs them; 0 for blocks without attention."""
    if not isinstance(model, HasBlocks) or not len(model.blocks):
        return 0
    heads = getattr(getattr(model.blocks[0], "attention", None), "num_heads", 0)
    return heads if isinstance(heads, int) else 0


def require_contract(model: nn.Module, *, vocab_size: int) -> None:
    """Whether head and blocks are what they have to be; the model may be on the meta device.

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
    """Try it on two short sequences that differ in their last token, in its own device and mode.

    Raises ValueError with one line where it gives no logits [B, L, V], or says of a token what
    depends on later ones.
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
    if not torch.allclose(one, other, rtol=SAME, atol=SAME * float(one.abs().max())):
        raise ValueError(
            f"{name} is not causal: its logits of a position depend on later tokens, so that it "
            "gives no likelihood of a sequence"
        )
