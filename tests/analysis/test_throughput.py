"""Speed is derived from counts and seconds; utilisation only where the peak is known."""

import pytest

from rote.analysis.quantities.throughput import peak_flops_per_second, throughput_quantities
from rote.analysis.table import table_of
from tests.conftest import MakeSpec
from tests.shared import Shared


def test_a_runs_speed_is_its_tokens_over_its_share_of_the_time(
    tiny: MakeSpec, shared: Shared
) -> None:
    spec = tiny()
    run = shared.finished(spec)
    record, facts = run.record(), run.circumstances()
    (row,) = throughput_quantities(table_of([record], {spec.run_id: facts})).to_dicts()
    assert row["train_tokens_per_second"] == pytest.approx(30 * 4 * 8 / facts["train_seconds"])
    assert row["train_flops_per_second"] == 6 * 2196 * row["train_tokens_per_second"]
    assert row["model_flops_utilisation"] is None  # a processor
    assert 2**27 < row["circumstances.peak_memory_bytes"] < 2**34
    on_gpu = {**facts, "device": "NVIDIA H200", "stacked": 4}
    (other,) = throughput_quantities(table_of([record], {spec.run_id: on_gpu})).to_dicts()
    assert other["train_tokens_per_second"] == pytest.approx(4 * row["train_tokens_per_second"])
    assert other["model_flops_utilisation"] == other["train_flops_per_second"] / 67e12


def test_a_device_is_told_by_a_whole_word_of_its_name() -> None:
    assert peak_flops_per_second("NVIDIA H100 80GB HBM3", "bf16_true") == 989.4e12
    assert peak_flops_per_second("NVIDIA GH100X", "bf16_true") is None
    assert peak_flops_per_second("cpu", "fp32") is None
