"""One of several processes holds what the bill predicts for it."""

import importlib
from pathlib import Path

import pytest

from rote.ledger.spec import Spec
from tests.conftest import COMPOSER

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("processes", "overrides"),
    [
        (2, ["optim=adamw", "precision=fp32", "host.recompute_above_gib=0"]),
        (4, ["optim=adamw", "precision=bf16_mixed", "host.recompute_above_gib=null"]),
        (8, ["optim=adamw", "precision=bf16_true", "host.recompute_above_gib=null"]),
        (8, ["optim=muon", "precision=fp32", "host.recompute_above_gib=0"]),
    ],
)
def test_a_shard_is_as_large_as_predicted(
    processes: int, overrides: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six layers of width 128, of which a process holds its rows, and a batch of 8."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    memory = importlib.import_module("memory")
    shape = ("size=10.6m", "size.width=128", "size.num_heads=2", *memory.SHARDED)
    batch = ("budget.batch_size=8", "task.num_sequences=8")
    spec = Spec.from_config(COMPOSER.config([*shape, *batch, *overrides]))
    row = memory.measure_shard(spec, processes)
    assert row["state_predicted_over_measured"] == pytest.approx(1, abs=0.02)
    assert 0.75 < row["predicted_over_measured"] < 1.33
