"""Products in float8 against those in float64; what has no float8 is refused in one line."""

import pytest
import torch
from tests.conftest import MakeSpec, precision
from torch import nn
from torch.nn import functional

from rote.models.gpt import GPT
from rote.run.preflight import Preflight
from rote.training.float8 import BACKWARD, FORWARD, float8_product

FP8 = precision("fp8")
SEED = torch.Generator().manual_seed(0)


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=SEED)


def test_numbers_that_float8_holds_are_multiplied_exactly() -> None:
    """Scales are powers of two: the largest are 448 and 7 of e4m3's numbers."""
    left = torch.tensor([[448.0, 1.0] + [0.0] * 14, [3.5, -2.0] + [0.0] * 14])
    right = torch.tensor([[1.0, 7.0] + [0.0] * 14] + [[0.0] * 16] * 15)
    product = float8_product(left, right, FORWARD)
    assert product[:, 0].tolist() == [456.0, -10.5]  # 455 in bfloat16


@pytest.mark.parametrize(("dtype", "error"), [(FORWARD, 0.05), (BACKWARD, 0.09)])
def test_a_product_errs_as_its_formats_round(dtype: torch.dtype, error: float) -> None:
    left, right = randn(64, 32), randn(48, 32)
    exact = left.double() @ right.double().T
    product = float8_product(left, right, dtype)
    assert product.dtype == torch.bfloat16
    relative = float((product - exact).norm() / exact.norm())
    assert 0.2 * error < relative < error


@pytest.mark.parametrize("positions", [32, 7])
def test_a_layer_and_its_gradients_are_those_of_torch(positions: int) -> None:
    """Positions that are no multiple of 16 are filled up."""
    torch.manual_seed(0)
    plain = nn.Linear(16, 32)
    layer = FP8.cast(nn.Sequential(nn.Linear(16, 32)))[0]  # type: ignore[index]
    layer.load_state_dict(plain.state_dict())
    outputs = []
    for one in (plain, layer):
        inputs = randn(2, positions, 16) if not outputs else outputs[0][0].detach().clone()
        inputs.requires_grad_()
        made = one(inputs)
        functional.mse_loss(made.float(), torch.ones_like(made, dtype=torch.float32)).backward()
        outputs.append((inputs, made, inputs.grad, one.weight.grad, one.bias.grad))
    for expected, ours in zip(*outputs, strict=True):
        error = (ours.float() - expected).norm() / expected.norm()
        assert float(error.detach()) < 0.1


def test_a_model_computes_in_float8_and_its_head_does_not() -> None:
    torch.manual_seed(0)
    model = GPT(num_layers=1, width=16, num_heads=2, vocab_size=10, max_length=8)
    tokens_BL = torch.randint(10, (2, 8))
    with torch.no_grad(), FP8.active("cpu"):
        plain = model(tokens_BL)
        logits = FP8.cast(model)(tokens_BL)
    assert not torch.equal(logits, plain)
    torch.testing.assert_close(logits, plain, rtol=0.1, atol=0.02)


def test_sides_that_no_kernel_takes_are_refused() -> None:
    with pytest.raises(ValueError, match="sides are multiples of 16: expand is 48 x 12"):
        FP8.cast(nn.ModuleDict({"expand": nn.Linear(12, 48)}))


def test_a_device_without_float8_is_refused_before_training(
    tiny: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run for a GPU may be planned where none is; the process that is to train it looks."""
    needs = r"precision=fp8 needs a GPU of CUDA capability 8\.9"
    with pytest.raises(ValueError, match=needs):
        Preflight().facts(tiny("precision=fp8"))
    assert Preflight().facts(tiny("precision=fp8", "host.accelerator=gpu"))
    for is_available, capability in ((False, (9, 0)), (True, (8, 0))):
        monkeypatch.setattr("torch.cuda.is_available", lambda answer=is_available: answer)
        monkeypatch.setattr("torch.cuda.get_device_capability", lambda answer=capability: answer)
        with pytest.raises(ValueError, match=needs):
            FP8.trainable(nn.Linear(16, 16))
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (8, 9))
    FP8.trainable(nn.Linear(16, 16))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"strategy": "fsdp"}, "does not go with host.strategy=fsdp"),
        ({"has_own_gradients": True}, "does not go with control.dp_sgd"),
    ],
)
def test_what_float8_cannot_do_is_refused_where_a_device_has_it(
    setting: dict[str, object], message: str
) -> None:
    usual = {
        "device_type": "cuda", "strategy": "ddp", "has_finish": False, "has_own_gradients": False,
    }  # fmt: skip
    FP8.check(**usual)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        FP8.check(**(usual | setting))  # type: ignore[arg-type]
