"""The parts of the measurements on a GPU, as they are, with the tiny sizes of a CPU."""

import importlib
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.preloaded import CONTEXT

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
UNIFORM_NATS = math.log(64)  # per token, of the large parts' tiny vocabulary

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU sizes are not tiny")


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("gpu_parts")


@pytest.fixture
def large(parts: Any) -> Any:
    return importlib.import_module("gpu_large")


def rows_of(parts: Any, name: str) -> dict[str, dict[str, Any]]:
    """All rows of a part; a name is used once, and numbers are finite."""
    rows = list(parts.PARTS[name].measure())
    assert len(dict(rows)) == len(rows) > 0
    for _, row in rows:
        assert all(math.isfinite(number) for number in row.values() if number is not None)
    return dict(rows)


def test_each_part_has_a_limit_of_two_minutes_at_most(parts: Any) -> None:
    for part in parts.PARTS.values():
        assert 0 < part.expected_seconds <= part.limit_seconds <= 120


def test_rates_of_training_are_of_its_steps_alone(
    parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of runs that need five seconds and 0.25 a step; one of them is real."""
    taken = []

    def circumstances(spec: Any) -> dict[str, float]:
        steps = spec.what["budget"]["max_steps"]
        if not taken:
            assert real(spec)["train_seconds"] > 0
        taken.append(steps)
        return {"train_seconds": 5 + steps / 4}

    real = parts._circumstances
    monkeypatch.setattr(parts, "_circumstances", circumstances)
    assert rows_of(parts, "train") == {"tiny host.compile=None": {"steps_per_second": 4.0}}
    assert taken == [100, 100, 100 + parts.STEPS]


@pytest.mark.parametrize("name", ["stacks_80k", "stacks_535k"])
def test_stacks_have_a_rate_for_each_size(name: str, parts: Any) -> None:
    rows = rows_of(parts, name)
    assert list(rows) == ["one at a time", "stack of 1", "stack of 2"]
    assert all(0 < row["least"] <= row["median"] <= row["most"] for row in rows.values())


def test_two_processes_are_timed_alone_and_together(
    parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts.multiprocessing, "get_context", lambda _: CONTEXT)
    rows = rows_of(parts, "two_processes")
    assert list(rows) == ["1 at once", "2 at once"]
    assert all(row["steps_per_second"] > 0 for row in rows.values())


def test_the_finish_evaluates_a_point_twice_alike(parts: Any) -> None:
    (name, row), = rows_of(parts, "finish").items()  # fmt: skip
    assert name == "2 x tiny host.compile=None"
    assert row["num_sequences"] == 135  # 4.5 bits of 2,868 parameters over 16 log2 64
    assert row["difference"] == 0 and row["evaluations_per_second"] > 0


def test_large_steps_begin_at_the_loss_of_a_guesser(parts: Any) -> None:
    rows = rows_of(parts, "large_true") | rows_of(parts, "large_mixed")
    assert list(rows) == ["bf16_true B=2", "bf16_mixed B=2"]
    for row in rows.values():
        assert row["parameters"] == (64 + 16) * 32 + 12 * 32**2 + 13 * 32 + 2 * 32
        assert row["first_loss_nats"] == pytest.approx(UNIFORM_NATS, rel=0.05)
        assert 0 < row["least_step_seconds"] <= row["most_step_seconds"]
        assert row["tokens_per_second"] <= 2 * 16 / row["least_step_seconds"]
        assert row["mfu"] is row["peak_memory_bytes"] is None


def test_options_change_the_speed_and_not_the_first_loss(
    parts: Any, large: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    monkeypatch.setattr(large, "Large", partial(large.Large, is_compiled=True))
    rows = rows_of(parts, "large_options")
    wider = rows.pop("vocabulary of 128")
    assert wider["first_loss_nats"] == pytest.approx(math.log(128), rel=0.05)
    assert wider["parameters"] - rows["base"]["parameters"] == 64 * 32
    assert set(rows) == {"base", "blocks not compiled", "no clipping", "Muon", "12 heads of 128"}
    assert {row["first_loss_nats"] for row in rows.values()} == {rows["base"]["first_loss_nats"]}


def test_products_in_float8_are_timed_beside_bfloat16(parts: Any) -> None:
    rows = rows_of(parts, "fp8")
    assert list(rows) == ["bfloat16 product", "float8 product"]
    assert all(row["flops_per_second"] > 0 for row in rows.values())


def test_memory_is_measured_beside_the_bill(parts: Any) -> None:
    rows = rows_of(parts, "memory")
    assert list(rows) == [f"demo_s B=32 {name}" for name in ("fp32", "bf16_mixed", "bf16_true")]
    predicted = [row["predicted_bytes"] for row in rows.values()]
    assert predicted[0] >= predicted[2] > 0
    assert all(row["peak_memory_bytes"] > 100 << 20 for row in rows.values())  # torch alone
