"""One context for training and measuring; bfloat16 never accumulates."""

import pytest
import torch

from rote.config.compose import groups
from rote.precision import Precision
from tests.conftest import precision


@pytest.mark.parametrize("name", groups()["precision"])
def test_the_file_is_named_as_the_format(name: str) -> None:
    assert precision(name).name == name


@pytest.mark.parametrize(
    ("name", "weights", "products", "tf32"),
    [
        ("fp32", torch.float32, torch.float32, "highest"),
        ("tf32", torch.float32, torch.float32, "high"),
        ("bf16_mixed", torch.float32, torch.bfloat16, "highest"),
        ("bf16_true", torch.bfloat16, torch.bfloat16, "highest"),
        ("fp16_mixed", torch.float32, torch.float16, "highest"),
    ],
)
def test_five_formats_are_five(
    name: str, weights: torch.dtype, products: torch.dtype, tf32: str
) -> None:
    before = torch.get_float32_matmul_precision()
    layer = precision(name).cast(torch.nn.Linear(4, 4))
    assert layer.weight.dtype == weights
    with precision(name).active("cpu"):
        assert torch.get_float32_matmul_precision() == tf32
        assert layer(torch.ones(1, 4, dtype=weights)).dtype == products
    assert torch.get_float32_matmul_precision() == before


def test_an_unknown_dtype_names_the_choices() -> None:
    with pytest.raises(ValueError, match=r"precision\.weights='fp23': choose from .*bfloat16"):
        Precision(name="x", weights="fp23", autocast=None, matmul="highest")


def test_a_scaled_loss_leaves_its_gradients_as_they_are() -> None:
    scaled, weight = precision("fp16_mixed"), torch.nn.Parameter(torch.tensor([3.0, -0.7]))
    (expected,) = torch.autograd.grad(weight.square().sum(), weight)
    (gradient,) = torch.autograd.grad(scaled.scaled(weight.square().sum()), weight)
    assert torch.equal(gradient, 1024 * expected)
    scaled.unscale([gradient])
    assert torch.equal(gradient, expected)


def test_a_gradient_that_float16_would_lose_is_kept_by_the_scale() -> None:
    """1e-8 is below the least float16, 6e-8."""
    layer, inputs = torch.nn.Linear(1, 1, bias=False), torch.ones(1, 1)
    found = {}
    for name in ("fp16_mixed", "bf16_mixed"):
        chosen = precision(name)
        with torch.autocast("cpu", torch.float16):
            loss = layer(inputs).float().sum() * 1e-8
        (found[name],) = torch.autograd.grad(chosen.scaled(loss), [layer.weight])
        chosen.unscale([found[name]])
    assert float(found["fp16_mixed"]) == pytest.approx(1e-8, rel=1e-2)
    assert float(found["bf16_mixed"]) == 0.0
