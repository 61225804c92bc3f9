"""Capacity is measured where a report beside says so, and published where none does."""

import json
from pathlib import Path

from rote.analysis.alphas import PUBLISHED, capacity_scale, measured_alphas


def write_manifest(folder: Path, name: str, numbers: dict[str, float]) -> None:
    held = {key: {"bits_per_parameter": value} for key, value in numbers.items()}
    (folder / name).mkdir()
    (folder / name / "manifest.json").write_text(json.dumps({"name": name, "numbers": held}))


def test_the_largest_measured_alpha_of_a_precision_is_taken(tmp_path: Path) -> None:
    write_manifest(tmp_path, "demo", {"alpha fp32": 1.9, "capacity 1x12 fp32": 9.0})
    write_manifest(tmp_path, "long", {"alpha fp32": 2.4, "alpha bf16_mixed": 2.1})
    found = measured_alphas(tmp_path)
    assert capacity_scale(found, "fp32").bits_per_parameter == 2.4
    assert "long" in capacity_scale(found, "fp32").source
    assert capacity_scale(found, "tf32") == PUBLISHED
    assert measured_alphas(tmp_path / "none") == {}


def test_an_alpha_of_models_that_were_hardly_trained_is_none(tmp_path: Path) -> None:
    write_manifest(tmp_path, "short", {"alpha fp32": -4.2, "alpha bf16_mixed": 0.0})
    assert measured_alphas(tmp_path) == {}
