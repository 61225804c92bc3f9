"""Every example runs as it stands, and prints what it promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PROMISED = {
    "train_and_measure": "bits per parameter",
    "fit_a_law": "ten times beyond the runs",
    "plan_a_model": "F1 at most 0.55",
    "audit_a_model": "membership",
    "own_trainer": "8 strides",
}

TRAINS = ("train_and_measure", "audit_a_model")


def test_every_example_is_tried() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PROMISED)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in TRAINS else ()) for name in PROMISED],
)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    if name == "audit_a_model":
        pytest.importorskip("transformers")
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "ROTE_OUTPUTS": str(tmp_path / "outputs")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert PROMISED[name] in done.stdout
