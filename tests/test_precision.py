"""One context for training and measuring; bfloat16 never accumulates."""

import pytest
import torch

from rote.config.build import build
from rote.config.compose import groups
from rote.precision import Precision
from tests.conftest import COMPOSER


def precision(name: str) -> Precision:
    return build(COMPOSER.config([f"precision={name}"])["precision"])


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
    ],
)
def test_four_formats_are_four(
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
