"""The built wheel, installed away from the sources, still finds conf, sweeps and claims."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_wheel_works_from_an_empty_folder(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels, site, empty = tmp_path / "wheels", tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    subprocess.run([*pip, "wheel", "--no-deps", "-w", wheels, ROOT], check=True)
    (wheel,) = wheels.glob("rote-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", "import rote; print(rote.__file__)"],
        cwd=empty, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith(str(site)), "the sources, not the wheel, were imported"
    done = subprocess.run(
        [sys.executable, "-m", "rote", "sweep", "demo", "--dry-run"],
        cwd=empty, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "9 runs, 0 done before" in done.stdout
    done = subprocess.run(
        [sys.executable, "-m", "rote", "report", "--all"],
        cwd=empty, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "There is no run yet" in (empty / "outputs" / "site" / "index.html").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "rote", "claims"],
        cwd=empty, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "claims: 0 hold" in done.stdout
    for words in (["new", "model", "gru"], ["train", "model=gru", "size=demo_s", "--dry-run"]):
        done = subprocess.run(
            [sys.executable, "-m", "rote", *words],
            cwd=empty, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert "52,136 parameters" in done.stdout
