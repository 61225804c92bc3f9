"""Published values stand where their papers put them."""

import pytest

from rote.analysis.published import (
    PUBLISHED_ALPHAS,
    PUBLISHED_MEANS,
    gpt2_parameters,
    published_mean,
)


@pytest.mark.parametrize(
    ("num_layers", "width", "parameters"),
    [(8, 128, 1_856_768), (2, 128, 667_136), (1, 32, 80_352)],
)
def test_parameters_are_the_printed_ones(num_layers: int, width: int, parameters: int) -> None:
    assert gpt2_parameters(num_layers, width) == parameters


def test_printed_rows() -> None:
    by_row = {(each.model, each.precision): each.bits_per_parameter for each in PUBLISHED_ALPHAS}
    assert len(by_row) == len(PUBLISHED_ALPHAS) == 15
    assert by_row["1x32", "fp32"] == 4.23
    assert by_row["8x256", "bf16"] == 3.65
    assert by_row["8x128", "fp32"] == 3.50
    assert all(each.source for each in PUBLISHED_ALPHAS + PUBLISHED_MEANS)


@pytest.mark.parametrize(
    ("precision", "bits"),
    [("fp32", 3.83), ("bf16_mixed", 3.51), ("bf16_true", 3.51), ("tf32", None)],
)
def test_each_precision_has_its_own_mean(precision: str, bits: float | None) -> None:
    mean = published_mean(precision)
    assert (mean and mean.bits_per_parameter) == bits
