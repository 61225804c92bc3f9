"""Our GPT is GPT-2: the reference implementation agrees on the same weights."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from rote.models.gpt import GPT
from rote.models.huggingface import load_gpt2, save_gpt2
from rote.models.likelihood import token_nats

SHAPE = {"num_layers": 3, "width": 48, "num_heads": 4, "vocab_size": 101, "max_length": 24}


@pytest.fixture
def ours() -> GPT:
    torch.manual_seed(0)
    model = GPT(**SHAPE)
    for parameter in model.parameters():  # away from zero biases and unit norms
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


@pytest.fixture
def theirs(ours: GPT, tmp_path: Path) -> GPT2LMHeadModel:
    save_gpt2(ours, tmp_path)
    return GPT2LMHeadModel.from_pretrained(tmp_path).eval()


@pytest.fixture
def tokens_BL() -> Tensor:
    return torch.randint(101, (5, 24), generator=torch.Generator().manual_seed(1))


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


def test_their_fresh_model_loads_here(tmp_path: Path, tokens_BL: Tensor) -> None:
    config = GPT2Config(vocab_size=101, n_positions=24, n_embd=48, n_layer=2, n_head=3)
    model = GPT2LMHeadModel(config).eval()
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        reference = model(tokens_BL).logits
        torch.testing.assert_close(load_gpt2(tmp_path)(tokens_BL), reference, atol=1e-5, rtol=0)


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


def test_a_width_that_heads_do_not_divide_names_the_choices() -> None:
    with pytest.raises(ValueError, match=r"width=48 .*num_heads=5: .*\[1, 2, 3, 4, 6"):
        GPT(**(SHAPE | {"num_heads": 5}))
