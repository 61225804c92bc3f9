"""Capacity is measured where a report is named that says so, and published elsewhere."""

import json
from pathlib import Path

import pytest

from rote.analysis.published import PUBLISHED, capacity_scale, measured_alphas


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


def test_without_a_report_nothing_is_measured(tmp_path: Path) -> None:
    assert measured_alphas(tmp_path, "none") == {}
    with pytest.raises(ValueError, match="a report's name"):
        measured_alphas(tmp_path, "../elsewhere")


def test_a_damaged_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    damaged: list[str] = []
    assert measured_alphas(tmp_path, "broken", damaged) == {}
    assert "broken" in damaged[0]


def test_an_alpha_of_models_that_were_hardly_trained_is_none(tmp_path: Path) -> None:
    write_manifest(tmp_path, "short", {"alpha fp32": -4.2, "alpha bf16_mixed": 0.0})
    assert measured_alphas(tmp_path, "short") == {}
