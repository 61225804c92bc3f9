"""Published values stand where their papers put them, and give way to those of a named report."""

import json
from pathlib import Path

import pytest

from rote.analysis.published import (
    PUBLISHED,
    PUBLISHED_ALPHAS,
    PUBLISHED_MEANS,
    capacity_scale,
    gpt2_parameters,
    measured_alphas,
    published_mean,
)


def test_printed_rows_and_parameters() -> None:
    by_row = {(each.model, each.precision): each.bits_per_parameter for each in PUBLISHED_ALPHAS}
    assert len(by_row) == len(PUBLISHED_ALPHAS) == 14
    printed = {("1x32", "fp32"): 4.23, ("8x256", "bf16"): 3.65}
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


def write_manifest(folder: Path, name: str, numbers: dict[str, float]) -> None:
    held = {key: {"bits_per_parameter": value} for key, value in numbers.items()}
    (folder / name).mkdir()
    (folder / name / "manifest.json").write_text(json.dumps({"name": name, "numbers": held}))


def test_the_largest_alpha_of_a_precision_in_the_named_report_is_taken(tmp_path: Path) -> None:
    write_manifest(tmp_path, "other", {"alpha fp32": 9.9})
    write_manifest(
        tmp_path,
        "long",
        {"alpha fp32, lr 1": 1.9, "alpha fp32, lr 2": 2.4, "capacity 1x12 fp32": 9.0},
    )
    found = measured_alphas(tmp_path, "long")
    assert capacity_scale(found, "fp32").bits_per_parameter == 2.4
    assert capacity_scale(found, "fp32").source == "measured: capacity report long, fp32, lr 2"
    assert capacity_scale(found, "tf32") == PUBLISHED


def test_without_a_usable_report_nothing_is_measured(tmp_path: Path) -> None:
    """Alphas of models that were hardly trained are none; a damaged report is named."""
    assert measured_alphas(tmp_path, "none") == {}
    with pytest.raises(ValueError, match="a report's name"):
        measured_alphas(tmp_path, "../elsewhere")
    write_manifest(tmp_path, "short", {"alpha fp32": -4.2, "alpha bf16_mixed": 0.0})
    assert measured_alphas(tmp_path, "short") == {}
    (tmp_path / "short" / "manifest.json").write_text("{")
    damaged: list[str] = []
    assert measured_alphas(tmp_path, "short", damaged) == {}
    assert "short" in damaged[0]
