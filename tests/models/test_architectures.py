"""Experts, loops and ablations: what they compute, count, and that every measure takes them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import COMPOSER, TINY
from tests.models.formulas import gpt_parameters
from tests.models.parity import (
    LLAMA_NAMES,
    Weights,
    noisy,
    renamed,
    require_same,
    require_same_steps,
    with_weights,
)
from torch import Tensor, nn

from rote.config.compose import groups
from rote.ledger.spec import Spec
from rote.ledger.store import Store
from rote.models.ablated import AttentionOnly, MlpOnly
from rote.models.gated_deltanet import GatedDeltaNet
from rote.models.gpt import GPT
from rote.models.llama import Llama
from rote.models.looped import Looped
from rote.models.mamba2 import Mamba2
from rote.models.moe import Experts, Moe
from rote.models.nanogpt import NanoGPT
from rote.run.execute import execute, execute_together

SHAPE = {"num_layers": 2, "width": 12, "vocab_size": 17, "max_length": 9}
MOE = {
    **SHAPE, "num_heads": 2, "num_groups": 2, "mlp_width": 8, "rotary_base": 1e4, "is_tied": True,
    "num_experts": 4, "num_active": 2, "balance": 0.01,
}  # fmt: skip
TOKENS = (17, 4, 9)  # V, B, L


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def shaken(model: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    return noisy(model, 0.2)


@pytest.mark.parametrize(
    "model",
    [
        lambda: Moe(**MOE),
        lambda: NanoGPT(**SHAPE, num_heads=3, mlp_ratio=1),
        lambda: Looped(**SHAPE, num_heads=3, num_loops=3),
        lambda: AttentionOnly(**SHAPE, num_heads=3),
        lambda: MlpOnly(**SHAPE, num_heads=3),
    ],
    ids=["moe", "nanogpt", "looped", "attention_only", "mlp_only"],
)
def test_it_reads_token_by_token_as_it_reads_all(model, tokens_BL: Tensor) -> None:
    require_same_steps(shaken(model()).eval(), tokens_BL, range(1, 9))


def test_loops_are_a_deeper_model_with_equal_blocks(tokens_BL: Tensor) -> None:
    looped = shaken(Looped(**SHAPE, num_heads=3, num_loops=3))
    deep = GPT(**SHAPE | {"num_layers": 6}, num_heads=3)
    weights = dict(looped.state_dict())
    for name, value in looped.state_dict().items():
        if name.startswith("blocks."):
            _, block, rest = name.split(".", 2)
            weights |= {f"blocks.{int(block) + 2 * loop}.{rest}": value for loop in range(3)}
    deep.load_state_dict(weights)
    torch.testing.assert_close(looped(tokens_BL), deep(tokens_BL))
    assert count(looped) == gpt_parameters(**SHAPE)


def test_ablations_count_what_is_left(tokens_BL: Tensor) -> None:
    width, rest = 12, (17 + 9) * 12 + 2 * 12
    assert count(AttentionOnly(**SHAPE, num_heads=3)) == rest + 2 * (4 * width**2 + 6 * width)
    mlp_only = shaken(MlpOnly(**SHAPE, num_heads=3))
    assert count(mlp_only) == rest + 2 * (8 * width**2 + 7 * width)
    other_BL = tokens_BL.clone()
    other_BL[:, :-1] = 0
    torch.testing.assert_close(mlp_only(other_BL)[:, -1], mlp_only(tokens_BL)[:, -1])


def in_mixtrals_names(weights: Weights) -> dict[str, Tensor]:
    own = dict(weights)
    for layer in range(2):
        experts = f"blocks.{layer}.mlp."
        parts = [own.pop(f"{experts}{part}") for part in ("gate", "expand")]
        own[f"{experts}experts.gate_up_proj"] = torch.cat(parts, dim=1)
        own[f"{experts}experts.down_proj"] = own.pop(f"{experts}contract")
        own[f"{experts}gate.weight"] = own.pop(f"{experts}router.weight")
    names = {ours: name for ours, name in LLAMA_NAMES.items() if not ours.startswith("mlp.")}
    return renamed(own, names)


def of_mixtral(model: Moe) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.MixtralConfig(
        vocab_size=17, hidden_size=12, intermediate_size=8, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=9, rms_norm_eps=1e-5,
        tie_word_embeddings=True, num_local_experts=4, num_experts_per_tok=2, rope_theta=1e4,
        attn_implementation="eager", bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return with_weights(
        transformers.MixtralForCausalLM(config), in_mixtrals_names(model.state_dict())
    )


def test_experts_are_those_of_mixtral(tokens_BL: Tensor) -> None:
    model = shaken(Moe(**MOE)).eval()
    require_same(model, of_mixtral(model), tokens_BL, in_mixtrals_names)


def test_all_experts_and_chosen_ones_give_the_same() -> None:
    experts = shaken(Experts(width=12, mlp_width=8, num_experts=4, num_active=2, balance=0.0))
    inputs_ND = torch.randn(50, 12)
    weights_NE = torch.randn(50, 4).relu()
    torch.testing.assert_close(
        experts._of_all(inputs_ND, weights_NE), experts._of_chosen(inputs_ND, weights_NE)
    )


def test_the_balance_loss_moves_the_router_alone_and_nothing_that_is_reported() -> None:
    inputs_BLD = torch.randn(4, 9, 12)
    gradients, outputs = [], []
    for balance in (0.0, 0.5):
        torch.manual_seed(0)
        kind = {"width": 12, "mlp_width": 8, "num_experts": 4, "num_active": 2}
        experts = shaken(Experts(**kind, balance=balance))
        made = experts(inputs_BLD)
        made.square().mean().backward()
        outputs.append(made.detach())
        gradients.append({name: one.grad for name, one in experts.named_parameters()})
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(gradients[0]["gate"], gradients[1]["gate"])
    shares_NE = experts.router(inputs_BLD.flatten(0, 1)).softmax(-1)
    chosen_E = torch.zeros_like(shares_NE).scatter(1, shares_NE.topk(2).indices, 1.0).mean(0)
    loss = 0.5 * 4 * (chosen_E * shares_NE.mean(0)).sum()
    (wanted,) = torch.autograd.grad(loss, [experts.router.weight])
    torch.testing.assert_close(
        gradients[1]["router.weight"] - gradients[0]["router.weight"], wanted
    )


@pytest.mark.parametrize(
    "name", ["llama", "moe", "looped", "attention_only", "mlp_only", "mamba2", "gated_deltanet"]
)
def test_it_trains_alone_and_in_a_stack_to_the_same(name: str, tmp_path: Path) -> None:
    more = (
        "optim=adamw",
        "measure=[cost,extraction]",
        "measure.extraction.prefix_tokens=[2]",
        "size.num_heads=2",
    )
    specs = [
        Spec.from_config(
            COMPOSER.config([*TINY, *more, "optim=adamw", f"model={name}", f"seed={n}"])
        )
        for n in (0, 1)
    ]
    together, alone = Store(tmp_path / "together"), Store(tmp_path / "alone")
    assert execute_together(specs, together) == {}
    for spec in specs:
        record = execute(spec, alone)
        other = together.run(spec.run_id).record()
        ours, theirs = (each.measures["cost"]["train_code_bits"] for each in (record, other))
        assert ours == pytest.approx(theirs, rel=1e-3)
        assert record.measures["extraction"]


def test_every_model_has_a_row_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert rows == set(groups()["model"])


LLAMA = {**SHAPE, "num_heads": 4, "num_groups": 4, "mlp_width": 8, "rotary_base": 1e4}
MAMBA = {
    **SHAPE, "num_heads": 4, "expand": 2, "state_width": 4, "num_groups": 1, "num_taps": 4,
}  # fmt: skip
DELTA = {
    **SHAPE, "num_heads": 3, "key_width": 6, "value_width": 12, "mlp_width": 8, "num_taps": 4,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "usual", "change", "reason"),
    [
        (GPT, SHAPE, {"num_heads": 5}, r"width=12 .*num_heads=5: .*\[1, 2, 3, 4, 6"),
        (
            NanoGPT,
            SHAPE,
            {"num_heads": 3, "mlp_ratio": 0},
            r"size\.mlp_ratio must be a whole .*1 up",
        ),
        (Moe, MOE, {"num_active": 5}, "model.num_active"),
        (Moe, MOE, {"num_experts": 0}, "model.num_experts"),
        (Moe, MOE, {"balance": -1.0}, "model.balance"),
        (Llama, LLAMA, {"num_groups": 3}, "num_heads=4 is not divisible by model.num_groups=3"),
        (Llama, LLAMA, {"num_heads": 12, "num_groups": 12}, "must be even"),
        (Llama, LLAMA, {"mlp_width": 0}, "model.mlp_width must be a whole number from 1 up"),
        (Llama, LLAMA, {"rotary_base": -1.0}, "model.rotary_base must be a number above 0"),
        (
            Llama,
            LLAMA,
            {"num_heads": 2, "num_groups": 2, "is_tied": "no"},
            "model.is_tied must be true or false, got 'no'",
        ),
        (Mamba2, MAMBA, {"is_tied": "no"}, "model.is_tied must be true or false, got 'no'"),
        (GatedDeltaNet, DELTA, {"is_tied": 1}, "model.is_tied must be true or false, got 1"),
        (Mamba2, MAMBA, {"num_heads": 5}, "is not divisible by size.num_heads=5"),
        (Mamba2, MAMBA, {"num_groups": 3}, "num_heads=4 is not divisible by model.num_groups=3"),
        (Mamba2, MAMBA, {"state_width": 0}, "model.state_width must be a whole number from 1 up"),
        (GatedDeltaNet, DELTA, {"num_heads": 0}, "size.num_heads must be a whole number from 1 up"),
        (GatedDeltaNet, DELTA, {"key_width": 0}, "key_width must be a whole number from 1 up"),
        (GatedDeltaNet, DELTA, {"num_taps": 0}, "num_taps must be a whole number from 1 up"),
    ],
)
def test_a_size_that_a_model_cannot_have_is_refused(
    kind: type[nn.Module], usual: dict[str, Any], change: dict[str, float], reason: str
) -> None:
    is_tied = {"is_tied": True} if kind in (Llama, Mamba2, GatedDeltaNet) else {}
    with pytest.raises(ValueError, match=reason):
        kind(**usual | is_tied | change)
