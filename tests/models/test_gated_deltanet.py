"""Gated DeltaNet gives what Qwen3-Next of transformers gives with linear layers alone."""

from functools import partial

import pytest
import torch
from tests.models.parity import (
    Weights,
    noisy,
    renamed,
    require_same,
    require_same_steps,
    with_weights,
)
from torch import Tensor, nn

from rote.models.gated_deltanet import GatedDeltaNet
from rote.models.recurrence import CHUNK, scan

SHAPE = {"num_layers": 2, "width": 24, "num_heads": 3, "vocab_size": 37, "num_taps": 4}
VARIANTS = [
    {"key_width": 6, "value_width": 12, "mlp_width": None, "is_tied": True},
    {"key_width": 5, "value_width": 3, "mlp_width": 20, "is_tied": False},
]
LENGTHS = [11, CHUNK, 2 * CHUNK + 3]
NAMES = {
    "token_embedding": "model.embed_tokens", "final_norm": "model.norm", "unembedding": "lm_head",
    "blocks.": "model.layers.", "mixer_norm": "input_layernorm",
    "mlp_norm": "post_attention_layernorm", "mixer.project.": "linear_attn.out_proj.",
    "convolution": "conv1d", "log_decay": "A_log", "step_bias": "dt_bias",
    "norm_weight": "norm.weight", "mixer.": "linear_attn.", "mlp.gate": "mlp.gate_proj",
    "mlp.expand": "mlp.up_proj", "mlp.contract": "mlp.down_proj",
}  # fmt: skip


def in_their_order(
    model: GatedDeltaNet, weights: Weights, *, norms_less: float = 0.0
) -> dict[str, Tensor]:
    """By their names: heads' parts lie side by side there; norms are 1 + w, so 1 is taken off."""
    own = {}
    keys, values = 3 * model.key_width, 3 * model.value_width
    for name, weight in weights.items():
        if not name.endswith("project_in.weight"):
            own[name] = weight - norms_less if name.endswith("norm.weight") else weight
            continue
        parts = weight.split([keys, keys, values, values, 3, 3])
        by_head = [part.unflatten(0, (3, -1)) for part in parts]
        stem = name.removesuffix("project_in.weight")
        own[f"{stem}in_proj_qkvz.weight"] = torch.cat(by_head[:4], dim=1).flatten(0, 1)
        own[f"{stem}in_proj_ba.weight"] = torch.cat(by_head[4:], dim=1).flatten(0, 1)
    return renamed(own, NAMES)


def of_transformers(model: GatedDeltaNet, *, is_tied: bool) -> nn.Module:
    """Its Qwen3NextForCausalLM with these weights, in plain PyTorch."""
    transformers = pytest.importorskip("transformers")
    config = transformers.Qwen3NextConfig(
        vocab_size=37, hidden_size=24, num_hidden_layers=2, intermediate_size=model.mlp_width,
        linear_num_key_heads=3, linear_num_value_heads=3, linear_key_head_dim=model.key_width,
        linear_value_head_dim=model.value_width, linear_conv_kernel_dim=4, num_experts=0,
        layer_types=["linear_attention"] * 2, num_attention_heads=3, num_key_value_heads=3,
        head_dim=8, tie_word_embeddings=is_tied, rms_norm_eps=1e-6,
    )  # fmt: skip
    weights = in_their_order(model, model.state_dict(), norms_less=1.0)
    return with_weights(transformers.Qwen3NextForCausalLM(config), weights)


@pytest.fixture(params=VARIANTS)
def pair(request: pytest.FixtureRequest) -> tuple[GatedDeltaNet, nn.Module]:
    torch.manual_seed(0)
    model = noisy(GatedDeltaNet(**SHAPE, max_length=max(LENGTHS), **request.param))
    return model, of_transformers(model, is_tied=request.param["is_tied"])


def tokens(length: int) -> Tensor:
    return torch.randint(37, (3, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("length", LENGTHS)
def test_logits_loss_and_gradients_are_those_of_transformers(
    pair: tuple[GatedDeltaNet, nn.Module], length: int
) -> None:
    model, theirs = pair
    require_same(model, theirs, tokens(length), partial(in_their_order, model))


def test_it_reads_on_from_any_position_as_it_reads_all(
    pair: tuple[GatedDeltaNet, nn.Module],
) -> None:
    model, _ = pair
    pasts = require_same_steps(model, tokens(CHUNK + 9), [2, *range(CHUNK, CHUNK + 9)])
    kept = [one[0] for past in pasts for one in (past.window_BTE, past.state_BHKV)]
    assert model.past_numbers == -(-sum(one.numel() for one in kept) // max(LENGTHS))


@pytest.mark.parametrize("has_rates", [False, True])
def test_chunks_give_what_one_position_after_another_gives(has_rates: bool) -> None:
    torch.manual_seed(0)
    queries, keys = torch.randn(2, 2, 3, 70, 4)
    keys = nn.functional.normalize(keys, dim=-1)
    values, log_decays = torch.randn(2, 3, 70, 5), -torch.rand(2, 3, 70)
    rates = torch.rand(2, 3, 70) if has_rates else None
    state = torch.zeros(2, 3, 4, 5)
    wanted = []
    for at in range(70):
        state = state * log_decays[:, :, at, None, None].exp()
        new, key = values[:, :, at], keys[:, :, at, :, None]
        if rates is not None:
            new = (new - (state * key).sum(dim=-2)) * rates[:, :, at, None]
        state = state + key * new.unsqueeze(-2)
        wanted.append((state * queries[:, :, at, :, None]).sum(dim=-2))
    made, last = scan(queries, keys, values, log_decays, rates_BHL=rates)
    torch.testing.assert_close(made, torch.stack(wanted, dim=2), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(last, state, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_formula_counts_its_parameters(variant: dict[str, int | bool | None]) -> None:
    model = GatedDeltaNet(**SHAPE, max_length=11, **variant)
    count = sum(parameter.numel() for parameter in model.parameters())
    keys, values = 3 * variant["key_width"], 3 * variant["value_width"]
    mixer = 24 * (2 * keys + 3 * values + 6) + (2 * keys + values) * 4 + 6 + variant["value_width"]
    block = mixer + 3 * 24 * model.mlp_width + 2 * 24
    assert count == 37 * 24 * (1 if variant["is_tied"] else 2) + 2 * block + 24


def test_widths_that_are_left_open_are_those_of_the_paper() -> None:
    given = {"key_width": None, "value_width": None, "mlp_width": None, "is_tied": True}
    model = GatedDeltaNet(**SHAPE, max_length=11, **given)
    assert (model.key_width, model.value_width, model.mlp_width) == (6, 12, 64)
    matrices = [model.blocks[0].mixer.project_in.weight, model.blocks[0].mixer.project.weight]
    assert sum(one.numel() for one in matrices) == 6 * 24**2 + 2 * 3 * 24
