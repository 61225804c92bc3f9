"""Our GPT is GPT-2: the reference implementation agrees on the same weights."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.parity import noisy
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from rote.models.gpt import GPT
from rote.models.huggingface import load_gpt2, save_gpt2
from rote.models.likelihood import token_nats

SHAPE = {"num_layers": 3, "width": 48, "num_heads": 4, "vocab_size": 101, "max_length": 24}
TOKENS = (101, 5, 24)  # V, B, L


@pytest.fixture
def ours() -> GPT:
    torch.manual_seed(0)
    return noisy(GPT(**SHAPE), 0.05)


@pytest.fixture
def theirs(ours: GPT, tmp_path: Path) -> GPT2LMHeadModel:
    save_gpt2(ours, tmp_path)
    return GPT2LMHeadModel.from_pretrained(tmp_path).eval()


def their_loss(model: GPT2LMHeadModel, tokens_BL: Tensor) -> Tensor:
    """Their own loss skips the first token; a start token in front makes it score all."""
    inputs_BL = torch.cat([torch.zeros_like(tokens_BL[:, :1]), tokens_BL[:, :-1]], dim=1)
    logits = model(inputs_BL).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens_BL.flatten())


def test_logits_agree(ours: GPT, theirs: GPT2LMHeadModel, tokens_BL: Tensor) -> None:
    torch.testing.assert_close(ours(tokens_BL), theirs(tokens_BL).logits, atol=1e-5, rtol=0)


def test_loss_and_gradients_agree(ours: GPT, theirs: GPT2LMHeadModel, tokens_BL: Tensor) -> None:
    loss, reference = token_nats(ours, tokens_BL).mean(), their_loss(theirs, tokens_BL)
    assert loss.item() == pytest.approx(reference.item(), abs=1e-5)
    loss.backward()
    reference.backward()
    compared = {
        "token_embedding.weight": theirs.transformer.wte.weight.grad,
        "position_embedding.weight": theirs.transformer.wpe.weight.grad,
        "blocks.1.attention.query_key_value.weight": theirs.transformer.h[
            1
        ].attn.c_attn.weight.grad.T,
        "blocks.2.contract.bias": theirs.transformer.h[2].mlp.c_proj.bias.grad,
        "blocks.0.attention_norm.weight": theirs.transformer.h[0].ln_1.weight.grad,
    }
    for name, gradient in compared.items():
        torch.testing.assert_close(ours.get_parameter(name).grad, gradient, atol=1e-5, rtol=0)


def test_twenty_adamw_steps_agree(ours: GPT, theirs: GPT2LMHeadModel, tokens_BL: Tensor) -> None:
    theirs.train()  # dropout is zero in the saved configuration
    losses = []
    for loss_of, model in ((lambda: token_nats(ours, tokens_BL).mean(), ours),
                           (lambda: their_loss(theirs, tokens_BL), theirs)):  # fmt: skip
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
        losses.append([])
        for _ in range(20):
            loss = loss_of()
            losses[-1].append(loss.item())
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
    assert losses[0][-1] < losses[0][0] - 0.1
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_weights_come_back(ours: GPT, tmp_path: Path) -> None:
    save_gpt2(ours, tmp_path)
    back = load_gpt2(tmp_path)
    for name, tensor in ours.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name


@pytest.mark.parametrize("missing", ["n_layer", "vocab_size"])
def test_a_config_without_a_size_is_named(ours: GPT, tmp_path: Path, missing: str) -> None:
    save_gpt2(ours, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config[missing]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=rf"config\.json lacks {missing}"):
        load_gpt2(tmp_path)


def test_their_fresh_model_loads_here(tmp_path: Path, tokens_BL: Tensor) -> None:
    config = GPT2Config(vocab_size=101, n_positions=24, n_embd=48, n_layer=2, n_head=3)
    model = GPT2LMHeadModel(config).eval()
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        reference = model(tokens_BL).logits
        torch.testing.assert_close(load_gpt2(tmp_path)(tokens_BL), reference, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "settings",
    [
        {"layer_norm_epsilon": 0.1},
        {"activation_function": "gelu_pytorch_tanh"},
        {"reorder_and_upcast_attn": True, "attn_implementation": "eager"},
    ],
)
def test_settings_that_are_computed_agree_with_transformers(
    settings: dict[str, Any], tmp_path: Path, tokens_BL: Tensor
) -> None:
    model = _theirs(**settings)
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        reference = model(tokens_BL).logits
        back = load_gpt2(tmp_path)
        torch.testing.assert_close(back(tokens_BL), reference, atol=1e-5, rtol=0)
    save_gpt2(back, tmp_path / "again")
    assert load_gpt2(tmp_path / "again").final_norm.eps == model.transformer.ln_f.eps


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation_function": "gelu"}, "activation_function='gelu', and this GPT computes"),
        ({"activation_function": "relu"}, "activation_function='relu'"),
        ({"activation_function": "silu"}, "activation_function='silu'"),
        ({"scale_attn_weights": False}, "scale_attn_weights=False"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx=True"),
        ({"tie_word_embeddings": False}, "'lm_head.weight' is not the token embedding"),
        ({"n_inner": 96}, r"has shape \[48, 96\], and config.json says \[48, 192\]"),
    ],
)
def test_settings_that_are_not_computed_are_refused(
    settings: dict[str, Any], message: str, tmp_path: Path, tokens_BL: Tensor
) -> None:
    """Each changes transformers' logits, by more than ours may be off."""
    model, plain = _theirs(**settings), _theirs()
    plain.load_state_dict(model.state_dict() | _fitting(plain, model))
    with torch.no_grad():
        assert (model(tokens_BL).logits - plain(tokens_BL).logits).abs().max() > 1e-3
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_gpt2(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_what_is_loaded_agrees_with_transformers_and_all_else_is_refused(
    seed: int, tmp_path: Path
) -> None:
    """Small configurations drawn at random: of the 40 seeds 14 draw one that is computed."""
    draw = random.Random(seed)
    settings = {
        "n_embd": draw.choice([12, 24, 36]),
        "n_layer": draw.randint(1, 4),
        "n_head": draw.choice([1, 2, 3]),
        "vocab_size": draw.randint(20, 200),
        "n_positions": draw.randint(8, 40),
        "layer_norm_epsilon": draw.choice([1e-6, 1e-5, 1e-2]),
        "activation_function": draw.choice(["gelu_new"] * 3 + ["gelu", "relu", "silu"]),
        "scale_attn_weights": draw.random() < 0.9,
        "scale_attn_by_inverse_layer_idx": draw.random() < 0.1,
        "reorder_and_upcast_attn": draw.random() < 0.3,
        "tie_word_embeddings": draw.random() < 0.9,
        "attn_implementation": "eager",
    }
    model = _theirs(**settings)
    model.save_pretrained(tmp_path)
    tokens_BL = torch.randint(settings["vocab_size"], (2, settings["n_positions"]))
    is_computed = (
        settings["activation_function"] == "gelu_new"
        and settings["scale_attn_weights"]
        and not settings["scale_attn_by_inverse_layer_idx"]
        and settings["tie_word_embeddings"]
    )
    if not is_computed:
        with pytest.raises(ValueError, match="this GPT"):
            load_gpt2(tmp_path)
        return
    with torch.no_grad():
        reference = model(tokens_BL).logits
        torch.testing.assert_close(load_gpt2(tmp_path)(tokens_BL), reference, atol=2e-5, rtol=1e-5)


def _theirs(**settings: Any) -> GPT2LMHeadModel:
    shape = {"vocab_size": 101, "n_positions": 24, "n_embd": 48, "n_layer": 2, "n_head": 3}
    torch.manual_seed(0)
    return noisy(GPT2LMHeadModel(GPT2Config(**(shape | settings))).eval(), 0.2)


def _fitting(plain: GPT2LMHeadModel, model: GPT2LMHeadModel) -> dict[str, Tensor]:
    """Weights whose shape is another one stay as they are, the head is the embedding."""
    own, given = plain.state_dict(), model.state_dict()
    other = {name: own[name] for name in own if own[name].shape != given[name].shape}
    return other | {"lm_head.weight": given["transformer.wte.weight"]}


def test_weights_without_a_use_and_a_missing_head_are_refused(ours: GPT, tmp_path: Path) -> None:
    save_gpt2(ours, tmp_path)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"n_layer": 3', '"n_layer": 2'))
    with pytest.raises(ValueError, match=r"no use for weight 'transformer.h.2.*12 unused"):
        load_gpt2(tmp_path)
    untied = config.replace('"tie_word_embeddings": true', '"tie_word_embeddings": false')
    (tmp_path / "config.json").write_text(untied)
    with pytest.raises(ValueError, match="tie_word_embeddings is false"):
        load_gpt2(tmp_path)


def test_another_architecture_is_refused(ours: GPT, tmp_path: Path) -> None:
    save_gpt2(ours, tmp_path)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"gpt2"', '"llama"'))
    with pytest.raises(ValueError, match="model_type='llama'"):
        load_gpt2(tmp_path)


def test_no_position_sees_the_future(ours: GPT, tokens_BL: Tensor) -> None:
    changed = tokens_BL.clone()
    changed[:, 10:] = (changed[:, 10:] + 1) % 101
    with torch.no_grad():
        before, after = token_nats(ours, tokens_BL), token_nats(ours, changed)
    assert torch.equal(before[:, :10], after[:, :10])
    assert not torch.equal(before[:, 10:], after[:, 10:])


def test_16_bit_attention_on_a_cpu_gives_what_the_fused_kernel_gives(tokens_BL: Tensor) -> None:
    torch.manual_seed(0)
    exact = GPT(**SHAPE)
    coarse = copy.deepcopy(exact).to(torch.bfloat16)
    with torch.no_grad():
        torch.testing.assert_close(
            coarse(tokens_BL).float(), exact(tokens_BL), atol=2e-2, rtol=2e-2
        )
