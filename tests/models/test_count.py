"""Which parameters are embeddings, train, run or stay idle, against closed forms."""

from tests.models.formulas import gpt_parameters

from rote.models.ablated import MlpOnly
from rote.models.count import (
    attention_flops_per_token,
    embedding_parameters,
    forward_flops_per_token,
    frozen_parameters,
    num_passes,
    trainable_parameters,
    training_flops_per_token,
    unusual_counts,
)
from rote.models.gpt import GPT
from rote.models.llama import Llama
from rote.models.looped import Looped
from rote.models.mamba2 import Mamba2
from rote.models.moe import Moe

SHAPE = {"num_layers": 2, "width": 12, "num_heads": 2, "vocab_size": 17, "max_length": 9}
BLOCK = 12 * 12**2 + 13 * 12


def test_embeddings_are_what_the_blocks_are_not() -> None:
    shape = {"num_layers": 2, "width": 16, "vocab_size": 7, "max_length": 5}
    model = GPT(num_heads=2, **shape)
    blocks = gpt_parameters(**shape | {"vocab_size": 0, "max_length": 0})
    assert embedding_parameters(model) == gpt_parameters(**shape) - blocks == (7 + 5) * 16


def test_a_token_costs_six_flops_a_parameter_where_each_trains_and_runs_once() -> None:
    model = GPT(**SHAPE)
    assert training_flops_per_token(model) == 6 * trainable_parameters(model)
    assert unusual_counts(model) == {}


def test_loops_cost_flops_and_no_parameters() -> None:
    looped = Looped(**SHAPE, num_loops=3)
    parameters = trainable_parameters(looped)
    assert parameters == trainable_parameters(GPT(**SHAPE))
    used = parameters + 2 * 2 * BLOCK
    assert num_passes(looped) == 6
    assert forward_flops_per_token(looped) == 2 * used
    counts = {"forward_flops_per_token": 2 * used, "flops_per_token": 6 * used}
    assert unusual_counts(looped) == counts


def test_attention_costs_twelve_flops_a_layer_a_number_and_a_position() -> None:
    of_two_layers = 12 * 2 * 12 * 9
    llama = Llama(**SHAPE, num_groups=1, mlp_width=8, rotary_base=1e4, is_tied=True)
    for model in (GPT(**SHAPE), llama):  # shared keys and values save no products
        assert attention_flops_per_token(model, 9) == of_two_layers
    assert attention_flops_per_token(Looped(**SHAPE, num_loops=3), 9) == 3 * of_two_layers


def test_models_without_attention_have_no_such_flops() -> None:
    mamba = Mamba2(**SHAPE, expand=2, state_width=4, num_groups=1, num_taps=4, is_tied=True)
    assert attention_flops_per_token(mamba, 9) == 0
    assert attention_flops_per_token(MlpOnly(**SHAPE), 9) == 0


def test_a_token_goes_through_its_own_experts_alone() -> None:
    moe = Moe(
        **SHAPE, num_groups=2, mlp_width=8, rotary_base=1e4, is_tied=True, num_experts=4,
        num_active=2, balance=0.0,
    )  # fmt: skip
    active = trainable_parameters(moe) - 2 * 2 * 3 * 12 * 8
    assert unusual_counts(moe) == {
        "active_parameters": active,
        "forward_flops_per_token": 2 * active,
        "flops_per_token": 6 * active,
    }


def test_a_frozen_parameter_costs_no_gradient_of_its_own() -> None:
    model = GPT(**SHAPE)
    model.blocks[0].requires_grad_(False)
    total = trainable_parameters(GPT(**SHAPE))
    assert trainable_parameters(model) == total - BLOCK
    assert frozen_parameters(model) == BLOCK
    assert training_flops_per_token(model) == 6 * total - 2 * BLOCK
    assert unusual_counts(model)["total_parameters"] == total
    model.token_embedding.requires_grad_(False)
    assert embedding_parameters(model) == 9 * 12
