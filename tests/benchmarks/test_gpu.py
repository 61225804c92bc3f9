"""The driver of the GPU's measurements, with parts that succeed, fail, hang and are killed."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FAKE = """
import os, signal, time
from gpu import Part

def device_name():
    return "a device"

def good():
    yield "first", {"steps_per_second": 2.0}
    yield "second", {"steps_per_second": 3.0, "cache": os.environ["TORCHINDUCTOR_CACHE_DIR"]}

def broken():
    yield "first", {"steps_per_second": 1.0}
    raise ValueError("no such kernel")

def slow():
    yield "first", {"steps_per_second": 1.0}
    time.sleep(600)

def killed():
    yield "first", {"steps_per_second": 1.0}
    os.kill(os.getpid(), signal.SIGKILL)

PARTS = {
    each.__name__: Part(f"a {each.__name__} part", 1, 2 if each is slow else 60, each)
    for each in (good, broken, slow, killed)
}
"""


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The driver, with a module of fake parts that it and its processes find."""
    (tmp_path / "fake_parts.py").write_text(FAKE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("ROTE_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    return importlib.import_module("gpu")


def run(gpu: Any, results: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    code = gpu.main(["--parts", "fake_parts", "--results", str(results), *arguments])
    return code, json.loads(results.read_text())


def test_a_part_that_fails_hangs_or_is_killed_leaves_the_others_results(
    gpu: Any, tmp_path: Path
) -> None:
    results = tmp_path / "gpu.json"
    results.write_text('{"older": 1}')
    names = ("broken", "killed", "good")
    code, whole = run(gpu, results, *names)
    assert code == 1 and whole["older"] == 1 and set(whole["parts"]) == set(names)
    code, whole = run(gpu, results, "slow")
    ended = {name: part["ended"] for name, part in whole["parts"].items()}
    assert code == 1 and ended == {
        "broken": "failed: ValueError: no such kernel",
        "killed": "ended by SIGKILL",
        "good": "finished",
        "slow": "killed after 2 s",
    }
    good = whole["parts"]["good"]
    assert good["rows"] == {
        "first": {"steps_per_second": 2.0},
        "second": {"steps_per_second": 3.0, "cache": str(tmp_path / "outputs" / "compiled")},
    }
    assert good["device"] == "a device" and "torch" in good["provenance"]["versions"]
    assert "commit" in good["provenance"] and good["seconds"] > 0
    for name in ("broken", "killed"):  # what was measured before stays
        assert whole["parts"][name]["rows"] == {"first": {"steps_per_second": 1.0}}


def test_a_finished_part_is_replaced_by_a_finished_one_alone(gpu: Any, tmp_path: Path) -> None:
    results = tmp_path / "gpu.json"
    finished = {"ended": "finished", "rows": {"first": 1}}
    failed = {"ended": "failed: out of memory", "rows": {}}
    for part in (failed, finished):
        gpu.merge(results, "large", part)
        assert json.loads(results.read_text()) == {"parts": {"large": part}}
    gpu.merge(results, "large", failed)
    assert json.loads(results.read_text()) == {"parts": {"large": finished}}


def test_the_list_names_each_part_and_unknown_names_are_refused(
    gpu: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu.main(["--parts", "fake_parts", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        *([name, "1", "s", "of", limit, "a", name, "part"]
          for name, limit in (("good", "60"), ("broken", "60"), ("slow", "2"), ("killed", "60"))),
        ["all", "4", "s"],
    ]  # fmt: skip
    with pytest.raises(SystemExit) as refused:
        gpu.main(["--parts", "fake_parts", "nothing"])
    assert refused.value.code == 2
    assert "no part nothing; there are good, broken, slow, killed" in capsys.readouterr().err
