"""Speed is derived from counts and seconds; utilisation only where the peak is known."""

import pytest

from rote.analysis.frame import table_of
from rote.analysis.metrics import derive
from rote.analysis.quantities.throughput import peak_flops_per_second
from tests.conftest import MakeSpec
from tests.shared import Shared


def test_a_runs_speed_is_its_tokens_over_its_share_of_the_time(
    tiny: MakeSpec, shared: Shared
) -> None:
    spec = tiny()
    run = shared.finished(spec)
    record, facts = run.record(), run.circumstances()
    (row,) = derive(table_of([record], {spec.run_id: facts})).to_dicts()
    assert row["train_tokens_per_second"] == pytest.approx(30 * 4 * 8 / facts["train_seconds"])
    assert row["train_flops_per_second"] == 6 * 2196 * row["train_tokens_per_second"]
    assert row["model_flops_utilisation"] is None  # a processor
    assert 2**27 < row["circumstances.peak_memory_bytes"] < 2**34
    on_gpu = {**facts, "device": "NVIDIA H200", "stacked": 4}
    (other,) = derive(table_of([record], {spec.run_id: on_gpu})).to_dicts()
    assert other["train_tokens_per_second"] == pytest.approx(4 * row["train_tokens_per_second"])
    assert other["model_flops_utilisation"] == other["train_flops_per_second"] / 67e12


FORMATS = ("fp32", "tf32", "bf16_mixed", "bf16_true")


@pytest.mark.parametrize(
    ("device", "teraflops"),
    [
        # Data sheets print tensor cores with sparsity, twice as much: 312 and 624 for the A100,
        # 989 and 1,979 for the H100 and H200.
        ("NVIDIA A100-SXM4-40GB", (19.5, 312 / 2, 624 / 2, 624 / 2)),
        ("NVIDIA A100-SXM4-80GB", (19.5, 312 / 2, 624 / 2, 624 / 2)),
        ("A100-SXM4-40GB", (19.5, 312 / 2, 624 / 2, 624 / 2)),  # by older drivers
        ("NVIDIA A100-PCIE-40GB", (19.5, 312 / 2, 624 / 2, 624 / 2)),
        ("NVIDIA A100 80GB PCIe", (19.5, 312 / 2, 624 / 2, 624 / 2)),
        ("NVIDIA H100 80GB HBM3", (67, 989.4 / 2, 1978.8 / 2, 1978.8 / 2)),
        ("NVIDIA H200", (67, 989.4 / 2, 1978.8 / 2, 1978.8 / 2)),
    ],
)
def test_peaks_are_those_of_the_data_sheets_without_sparsity(
    device: str, teraflops: tuple[float, ...]
) -> None:
    peaks = [peak_flops_per_second(device, each) for each in FORMATS]
    assert peaks == [round(1e12 * each) for each in teraflops]


@pytest.mark.parametrize(
    "device",
    [
        "cpu", "NVIDIA GH100X", "NVIDIA GH200 480GB", "NVIDIA A100X", "NVIDIA H800",
        "NVIDIA H100 PCIe", "NVIDIA H100 NVL", "NVIDIA H200 NVL",  # slower cards
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "NVIDIA H100 80GB HBM3 MIG 3g.40gb",  # parts of one
        "GRID A100-10C",
    ],
)  # fmt: skip
def test_other_cards_and_parts_of_a_device_have_no_known_peak(device: str) -> None:
    assert [peak_flops_per_second(device, each) for each in FORMATS] == [None] * 4
