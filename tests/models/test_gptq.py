"""GPTQ: outputs closer than rounding to nearest, the same where inputs are not correlated."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from rote.models.gpt import GPT
from rote.models.gptq import gptq, gptq_weights
from rote.models.llama import Llama
from rote.models.quantise import Integers

SEED = torch.Generator().manual_seed(0)
SHAPE = {"num_layers": 2, "width": 16, "num_heads": 2, "vocab_size": 32, "max_length": 8}
LINEARS = ["attention.query_key_value", "attention.project", "expand", "contract"]


def form(bits: int, group_size: int | None = 8) -> Integers:
    return Integers(bits=bits, group_size=group_size, is_symmetric=False)


def inputs(rows: int = 512, columns: int = 24) -> Tensor:
    """Correlated, as those of a layer are."""
    mixing = torch.randn(columns, columns, generator=SEED)
    return torch.randn(rows, columns, generator=SEED) @ mixing


def output_error(weight: Tensor, rounded: Tensor, inputs_NC: Tensor) -> float:
    return float((inputs_NC @ (rounded - weight).T).square().mean())


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_the_error_of_a_layers_outputs_is_below_that_of_rounding_to_nearest(bits: int) -> None:
    weight, inputs_NC = torch.randn(32, 24, generator=SEED), inputs()
    by_gptq = gptq(weight, inputs_NC.T @ inputs_NC, form(bits))
    nearest = form(bits).rounded(weight)
    assert output_error(weight, by_gptq, inputs_NC) < 0.7 * output_error(weight, nearest, inputs_NC)


def test_inputs_that_are_not_correlated_leave_nothing_to_make_good() -> None:
    weight = torch.randn(32, 24, generator=SEED)
    assert torch.equal(gptq(weight, torch.eye(24), form(3)), form(3).rounded(weight))


def test_two_columns_are_as_by_hand() -> None:
    """Inputs are nearly equal, so that what one column loses the other has to gain.

    Levels are whole numbers from -2 to 5: 0.4 becomes 0, and 2.3 + 0.4 becomes 3, not 2.
    """
    weight, levels = torch.tensor([[0.4, 2.3, 5.0, -2.0]]), form(3, group_size=None)
    assert levels.rounded(weight).tolist() == [[0.0, 2.0, 5.0, -2.0]]
    hessian = torch.eye(4)
    hessian[0, 1] = hessian[1, 0] = 0.99
    assert gptq(weight, hessian, levels).tolist() == [[0.0, 3.0, 5.0, -2.0]]


def test_an_input_that_is_always_zero_is_rounded_to_nearest() -> None:
    weight, inputs_NC = torch.randn(8, 24, generator=SEED), inputs()
    inputs_NC[:, -1] = 0
    by_gptq = gptq(weight, inputs_NC.T @ inputs_NC, form(3, group_size=1))
    assert torch.equal(by_gptq[:, -1], form(3, group_size=1).rounded(weight)[:, -1])


def batches(vocab_size: int = 32) -> Iterator[Tensor]:
    yield torch.randint(vocab_size, (64, 8), generator=torch.Generator().manual_seed(1))


def gpt() -> GPT:
    torch.manual_seed(0)
    return GPT(**SHAPE)


def test_a_models_layers_are_calibrated_and_its_embedding_rounded_to_nearest() -> None:
    model = gpt()
    before = {name: one.clone() for name, one in model.named_parameters()}
    weights = gptq_weights(model, form(3), batches)
    assert all(torch.equal(one, before[name]) for name, one in model.named_parameters())
    for name, rounded in weights.items():
        is_nearest = torch.equal(rounded, form(3).rounded(before[name]))
        assert is_nearest == ("embedding" in name), name
    calibrated = {name.removesuffix(".weight") for name in weights if "embedding" not in name}
    assert calibrated == {f"blocks.{n}.{linear}" for n in (0, 1) for linear in LINEARS}


def test_outputs_of_the_first_layer_are_closer_on_its_own_inputs() -> None:
    model = gpt()
    layer, seen = model.blocks[0].attention.query_key_value, []
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].flatten(0, 1)))
    weights = gptq_weights(model, form(3), batches)
    hook.remove()
    rounded, own = weights["blocks.0.attention.query_key_value.weight"], layer.weight.detach()
    inputs_NC = torch.cat(seen)
    nearest = form(3).rounded(own)
    assert output_error(own, rounded, inputs_NC) < output_error(own, nearest, inputs_NC)


def test_a_head_that_is_no_layer_and_does_not_run_is_rounded_to_nearest() -> None:
    torch.manual_seed(0)
    more = {"num_groups": 1, "mlp_width": 8, "rotary_base": 1e4, "is_tied": False}
    llama = Llama(**SHAPE, **more)  # type: ignore[arg-type]
    weights = gptq_weights(llama, form(3), batches)
    head = llama.unembedding
    assert isinstance(head, nn.Linear)
    assert torch.equal(weights["unembedding.weight"], form(3).rounded(head.weight.detach()))
    assert not torch.equal(
        weights["blocks.1.mlp.gate.weight"],
        form(3).rounded(llama.get_parameter("blocks.1.mlp.gate.weight").detach()),
    )
