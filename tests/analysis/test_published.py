"""Published values stand where their papers put them."""

import pytest

from rote.analysis.published import (
    PUBLISHED_ALPHAS,
    PUBLISHED_MEANS,
    gpt2_parameters,
    published_mean,
)


def test_printed_rows_and_parameters() -> None:
    by_row = {(each.model, each.precision): each.bits_per_parameter for each in PUBLISHED_ALPHAS}
    assert len(by_row) == len(PUBLISHED_ALPHAS) == 15
    printed = {("1x32", "fp32"): 4.23, ("8x256", "bf16"): 3.65, ("8x128", "fp32"): 3.50}
    assert printed.items() <= by_row.items()
    assert all(each.source for each in PUBLISHED_ALPHAS + PUBLISHED_MEANS)
    shapes = ((8, 128), (2, 128), (1, 32))
    assert [gpt2_parameters(*shape) for shape in shapes] == [1_856_768, 667_136, 80_352]


@pytest.mark.parametrize(
    ("precision", "bits"),
    [("fp32", 3.83), ("bf16_mixed", 3.51), ("bf16_true", 3.51), ("tf32", None)],
)
def test_each_precision_has_its_own_mean(precision: str, bits: float | None) -> None:
    mean = published_mean(precision)
    assert (mean and mean.bits_per_parameter) == bits
