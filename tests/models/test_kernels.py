"""What is written out by hand equals what torch computes, forwards and backwards."""

import copy
import importlib
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

from rote.models import attention, likelihood
from rote.models import gelu as gelu_module
from rote.models.attention import is_written_out
from rote.models.gelu import gelu
from rote.models.gpt import GPT
from rote.models.likelihood import cross_entropy

# bfloat16 keeps eight bits: one of them is 0.4 %
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 8e-3, torch.float64: 1e-6}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


@pytest.fixture(autouse=True)
def also_for_few_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch's own would be called."""
    monkeypatch.setattr(likelihood, "FEW_LOGITS", 0)
    monkeypatch.setattr(gelu_module, "FEW", 0)


def value_and_gradient(
    function: Callable[[Tensor], Tensor], inputs: Tensor
) -> tuple[Tensor, Tensor]:
    """Each output weighs differently in the gradient."""
    leaf = inputs.clone().requires_grad_()
    value = function(leaf)
    weights = torch.linspace(-1, 2, value.numel()).view(value.shape)
    (value * weights).sum().backward()
    return value.detach(), leaf.grad


def assert_same(
    ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], inputs: Tensor
) -> None:
    exact = value_and_gradient(theirs, inputs)
    for got, expected in zip(value_and_gradient(ours, inputs), exact, strict=True):
        scale = max(1.0, float(expected.abs().max()))
        tolerance = TOLERANCE[inputs.dtype] * scale
        torch.testing.assert_close(got, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("least", [0.0, 2.0], ids=["by its probability", "by the largest"])
@DTYPES
def test_cross_entropy(dtype: torch.dtype, least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "LEAST", least)
    torch.manual_seed(0)
    logits_NV, tokens_N = 5 * torch.randn(40, 11).to(dtype), torch.randint(11, (40,))
    assert_same(
        lambda x: cross_entropy(x, tokens_N),
        lambda x: functional.cross_entropy(x.float(), tokens_N, reduction="none"),
        logits_NV,
    )
    assert cross_entropy(logits_NV, tokens_N).dtype == torch.float32


def test_cross_entropy_is_exact_where_a_probability_underflows_or_is_one() -> None:
    logits_NV, tokens_N = torch.tensor([[500.0, 0.0], [500.0, 0.0]]), torch.tensor([0, 1])
    assert cross_entropy(logits_NV, tokens_N).tolist() == [0.0, 500.0]


def test_cross_entropy_of_what_is_not_a_number_is_none_either() -> None:
    logits_NV = torch.tensor([[float("nan"), 0.0], [1.0, 0.0]])
    nats_N = cross_entropy(logits_NV, torch.tensor([1, 1]))
    assert nats_N.isnan().tolist() == [True, False]


@pytest.mark.parametrize("kernel", [gelu, partial(cross_entropy, tokens_N=torch.arange(3))])
def test_a_second_backward_pass_is_refused(kernel: Callable[[Tensor], Tensor]) -> None:
    loss = kernel(torch.randn(3, 4, requires_grad=True)).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_gelu(dtype: torch.dtype) -> None:
    inputs = torch.linspace(-12, 12, 4001).to(dtype)
    assert_same(gelu, lambda x: functional.gelu(x, approximate="tanh"), inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("num_heads", [1, 3, 12])
def test_attention_written_out(num_heads: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    mixed_BLD = torch.randn(2, 7, 36).to(dtype)

    def attend(way: Callable[..., Tensor], inputs_BLD: Tensor) -> Tensor:
        heads = (part.view(2, 7, num_heads, -1).transpose(1, 2) for part in inputs_BLD.split(12, 2))
        return way(*heads, 0.0).transpose(1, 2).flatten(2)

    assert_same(
        partial(attend, attention._written_out), partial(attend, attention._fused), mixed_BLD
    )


@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
def test_which_attention_is_written_out_depends_on_the_processor_in_16_bits_alone(
    capability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = attention.SIXTEEN_BIT_LENGTHS.get(capability, 0)
    monkeypatch.setattr(attention, "SIXTEEN_BIT_LENGTH", longest)

    def plain(length: int, head_width: int, number_bytes: int) -> bool:
        return is_written_out(length=length, head_width=head_width, number_bytes=number_bytes)

    assert [plain(64, width, 4) for width in (1, 2, 8, 9)] == [False, True, True, False]
    assert not plain(65, 2, 4)
    assert plain(256, 64, 2) == plain(1, 1, 2) == (capability == "AVX512")
    assert not plain(257, 64, 2)


def test_stacked_models_are_mapped_over() -> None:
    """As training many models at once asks for: one call, a leading dimension of models."""
    torch.manual_seed(0)
    models = [
        GPT(num_layers=2, width=8, num_heads=2, vocab_size=13, max_length=6) for _ in range(3)
    ]
    parameters, buffers = stack_module_state(models)
    hollow = copy.deepcopy(models[0]).to("meta")
    tokens_MBL = torch.randint(13, (3, 4, 6))
    logits_MBLV = vmap(lambda p, b, t: functional_call(hollow, (p, b), (t,)))(
        parameters, buffers, tokens_MBL
    )
    logits_MBLV.square().sum().backward()
    for index, model in enumerate(models):
        logits_BLV = model(tokens_MBL[index])
        torch.testing.assert_close(logits_MBLV[index], logits_BLV)
        logits_BLV.square().sum().backward()
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(
                parameters[name].grad[index], parameter.grad, atol=1e-5, rtol=1e-4
            )


def test_gelu_does_not_mind_where_it_is_imported_first() -> None:
    with torch.device("meta"):
        imported = importlib.reload(gelu_module)
    inputs = torch.linspace(-4, 4, 1 << 15)
    wanted = functional.gelu(inputs, approximate="tanh")
    assert torch.allclose(imported.gelu(inputs), wanted, atol=1e-6)
