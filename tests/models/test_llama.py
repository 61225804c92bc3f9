"""Llama gives what transformers' own gives on the same weights: logits, loss and gradients."""

from functools import partial

import pytest
import torch
from tests.models.parity import (
    LLAMA_NAMES,
    noisy,
    renamed,
    require_same,
    require_same_steps,
    with_weights,
)
from torch import Tensor, nn

from rote.models.llama import Llama

SHAPE = {"num_layers": 2, "width": 24, "num_heads": 4, "vocab_size": 37, "max_length": 11}
VARIANTS = [
    {"num_groups": 4, "mlp_width": None, "is_tied": True},
    {"num_groups": 2, "mlp_width": 20, "is_tied": False},
    {"num_groups": 1, "mlp_width": 32, "is_tied": True},
]
TOKENS = (37, 3, 11)  # V, B, L


def of_transformers(model: Llama, *, num_groups: int, is_tied: bool) -> nn.Module:
    """Its LlamaForCausalLM with these weights."""
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=37, hidden_size=24, intermediate_size=model.mlp_width, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=num_groups, max_position_embeddings=11,
        rms_norm_eps=1e-5, tie_word_embeddings=is_tied, rope_theta=10_000.0,
        attn_implementation="eager", bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return with_weights(
        transformers.LlamaForCausalLM(config), renamed(model.state_dict(), LLAMA_NAMES)
    )


@pytest.fixture(params=VARIANTS)
def pair(request: pytest.FixtureRequest) -> tuple[Llama, nn.Module]:
    torch.manual_seed(0)
    model = noisy(Llama(**SHAPE, rotary_base=10_000.0, **request.param))
    chosen = {key: request.param[key] for key in ("num_groups", "is_tied")}
    return model, of_transformers(model, **chosen)


def test_logits_loss_and_gradients_are_those_of_transformers(
    pair: tuple[Llama, nn.Module], tokens_BL: Tensor
) -> None:
    require_same(*pair, tokens_BL, partial(renamed, names=LLAMA_NAMES))


def test_it_reads_token_by_token_as_it_reads_all(
    pair: tuple[Llama, nn.Module], tokens_BL: Tensor
) -> None:
    model, _ = pair
    pasts = require_same_steps(model, tokens_BL, range(4, 11))
    kept_BGTK, _ = pasts[0].keys_and_values()
    assert 2 * 2 * kept_BGTK[0, :, 0].numel() == model.past_numbers


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_formula_counts_its_parameters(variant: dict[str, int | bool]) -> None:
    model = Llama(**SHAPE, rotary_base=10_000.0, **variant)
    count = sum(parameter.numel() for parameter in model.parameters())
    groups, heads = variant["num_groups"], 4
    block = 2 * 24**2 + 2 * 24**2 * groups // heads + 3 * 24 * model.mlp_width + 2 * 24
    assert count == 37 * 24 * (1 if variant["is_tied"] else 2) + 2 * block + 24
