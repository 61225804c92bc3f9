"""Wrap any causal language model of transformers in the interface of our measures and decoders.

Shapes: B sequences, L positions, V vocabulary, D width.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_SEQUENCES, NUM_TOKENS = 2, 8  # of the batch that a model is tested on
# Largest difference over the largest logit. A head repeats the same product; decoding rounds
# elsewhere: bfloat16 keeps 8 bits, and a cap on logits of 30 moves one of 10 by 4 %.
SAME_PRODUCT = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
OTHER_ORDER = {torch.float32: 1e-4, torch.bfloat16: 6e-2}


class CausalLM(nn.Module):
    """A model with ``forward(tokens_BL) -> logits_BLV``; position 0 reads ``start_token``."""

    def __init__(self, model: nn.Module, *, start_token: int) -> None:
        super().__init__()
        self.model: Any = model
        self.start_token = start_token
        self.unused_weights: list[str] = []  # stored ones that do not change the logits

    def forward(self, tokens_BL: Tensor) -> Tensor:
        """Return logits of the next token at every position, [B, L] int64 -> [B, L, V]."""
        return self.model(input_ids=tokens_BL, use_cache=False).logits


class CachedCausalLM(CausalLM):
    """A model that `with_what_it_offers` has tested: logits are hidden states times a head."""

    def __init__(self, model: nn.Module, *, start_token: int) -> None:
        super().__init__(model, start_token=start_token)
        self.past_numbers = 0  # numbers that ``pasts`` keep of each token

    @property
    def head(self) -> Tensor:
        """[V, D]."""
        return self.model.get_output_embeddings().weight

    def hidden(self, tokens_BL: Tensor) -> Tensor:
        """Return the head's input, [B, L] int64 -> [B, L, D]."""
        return self.model.base_model(input_ids=tokens_BL, use_cache=False).last_hidden_state

    def pasts(self) -> list["CachePast"]:
        """Return an empty cache; one object holds all layers."""
        cache = import_module("transformers").DynamicCache(config=self.model.config)
        return [CachePast(cache)]

    def read(self, tokens_BL: Tensor, pasts: Sequence["CachePast"]) -> Tensor:
        """Apply ``hidden`` to tokens that follow those of ``pasts``, and add them to it."""
        (past,) = pasts
        read = self.model.base_model(
            input_ids=tokens_BL, past_key_values=past.cache, use_cache=True
        )
        return read.last_hidden_state


class CachePast:
    """Keys and values of all layers and positions read so far, in transformers' own cache."""

    def __init__(self, cache: Any) -> None:
        self.cache = cache

    @property
    def length(self) -> int:
        """The number of positions read."""
        return int(self.cache.get_seq_length())

    def keep(self, rows: Tensor) -> None:
        """Keep only these sequences."""
        self.cache.batch_select_indices(rows)

    def numbers(self) -> int:
        """Return how many numbers are held for all sequences and positions."""
        return sum(layer.keys.numel() + layer.values.numel() for layer in self.cache.layers)


@torch.inference_mode()
def with_what_it_offers(model: nn.Module, *, start_token: int, vocab_size: int) -> CausalLM:
    """Wrap ``model``, with ``head``, ``hidden`` and ``pasts`` where they agree with ``forward``.

    They are tested on a few tokens at load, never assumed: a head may have a bias, a scale or a
    cap that nothing declares. Raises ValueError for a model that is not causal, or gives logits
    that are not finite.
    """
    plain = CausalLM(model, start_token=start_token)
    places = torch.arange(NUM_SEQUENCES * NUM_TOKENS) * max(1, vocab_size // 17) % vocab_size
    tokens_BL = places.view(NUM_SEQUENCES, NUM_TOKENS)
    logits_BLV = plain(tokens_BL)
    if not logits_BLV.isfinite().all():
        raise ValueError("the model gives logits that are not finite: are its weights damaged?")
    _require_causal(plain, tokens_BL, logits_BLV)
    cached = CachedCausalLM(model, start_token=start_token)
    try:
        fits = _head_fits(cached, tokens_BL, logits_BLV) and _steps_fit(
            cached, tokens_BL, logits_BLV
        )
    except Exception:  # architectures without such a head, base or cache may raise anything
        return plain
    return cached if fits else plain


def _require_causal(model: CausalLM, tokens_BL: Tensor, logits_BLV: Tensor) -> None:
    changed_BL = tokens_BL.clone()
    changed_BL[:, -1] = tokens_BL[:, 0]
    before_BLV = model(changed_BL)[:, :-1]
    if not _close(before_BLV, logits_BLV[:, :-1], OTHER_ORDER):
        raise ValueError(
            "the model is not causal: what it says of a token depends on later ones, "
            "so that it gives no likelihood of a text"
        )


def _head_fits(model: CachedCausalLM, tokens_BL: Tensor, logits_BLV: Tensor) -> bool:
    head = model.model.get_output_embeddings()
    if not isinstance(head, nn.Linear) or head.bias is not None:
        return False
    made_BLV = functional.linear(model.hidden(tokens_BL), model.head)
    return _close(made_BLV, logits_BLV, SAME_PRODUCT)


def _steps_fit(model: CachedCausalLM, tokens_BL: Tensor, logits_BLV: Tensor) -> bool:
    """Test decoding, also after half of the sequences are dropped; sets ``past_numbers``."""
    pasts = model.pasts()
    model.read(tokens_BL[:, :-2], pasts)
    first_BD = model.read(tokens_BL[:, -2:-1], pasts)[:, -1]
    model.past_numbers = pasts[0].numbers() // (len(tokens_BL) * pasts[0].length)
    pasts[0].keep(torch.tensor([1]))
    second_BD = model.read(tokens_BL[1:, -1:], pasts)[:, -1]
    return (
        model.past_numbers > 0
        and _close(functional.linear(first_BD, model.head), logits_BLV[:, -2], OTHER_ORDER)
        and _close(functional.linear(second_BD, model.head), logits_BLV[1:, -1], OTHER_ORDER)
    )


def _close(found: Tensor, wanted: Tensor, tolerance: dict[torch.dtype, float]) -> bool:
    if found.shape != wanted.shape:
        return False
    largest = float(wanted.float().abs().max())
    apart = float((found.float() - wanted.float()).abs().max())
    return apart <= tolerance[wanted.dtype] * largest
