"""Derived columns are subtractions and divisions of what was stored; unknown is null."""

import numpy as np
import polars as pl
import pytest

from rote.analysis.derived import peak_flops_per_second
from rote.analysis.metrics import derive
from rote.analysis.results import FinishedRun, table_of
from tests.conftest import MakeSpec
from tests.shared import Shared

FORMATS = ("fp32", "tf32", "bf16_mixed", "bf16_true", "fp8")  # the last without a known peak


def test_a_uniform_guesser_memorises_nothing_and_a_lookup_table_everything(build_table) -> None:
    table = build_table().with_columns(pl.Series("lookup", [0.0, 1.0] * 12))
    code = pl.col("entropy_bits") * (1 - pl.col("lookup"))
    first = code / pl.col("task.length")
    derived = derive(
        table.with_columns(
            code.alias("cost.train_code_bits"), first.alias("cost.train_first_token_code_bits")
        )
    )
    for memorised, entropy in (
        ("memorised_bits", "entropy_bits"),
        ("memorised_bits_after_first_token", "entropy_after_first_token_bits"),
    ):
        assert derived[memorised].to_list() == (derived[entropy] * derived["lookup"]).to_list()


def test_ratios_and_names_of_models(build_table) -> None:
    table = build_table(shapes=((3, 40),))
    row = derive(table).row(0, named=True)
    assert (row["shape"], row["model"]) == ("3x40", "3x40, 2 heads")
    assert row["bits_per_parameter"] * row["parameters"] == row["memorised_bits"]
    assert row["data_bits_per_parameter"] == row["entropy_bits"] / row["parameters"]
    one = table.with_columns(pl.lit(1).alias("size.num_heads"))
    assert derive(one, ["model"])["model"][0] == "3x40, 1 head"
    assert derive(table.drop("size.num_heads"), ["model"])["model"][0] == "3x40"


def test_what_can_be_memorised_is_the_entropy_less_the_least_code(build_table) -> None:
    """As measured; of older records N (S log2 V - log2 N) for uniform tokens, else unknown."""

    def ceilings(table: pl.DataFrame) -> pl.Series:
        return derive(table, ["ceiling_bits"])["ceiling_bits"]

    table = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    number = table["task.num_sequences"].to_numpy()
    formula = number * (16 * 6 - np.log2(number))
    np.testing.assert_allclose(ceilings(table).to_numpy(), formula, rtol=1e-12)
    measured = table.with_columns(pl.lit(7.0).alias("cost.train_least_code_bits"))
    assert ceilings(measured).to_list() == (measured["entropy_bits"] - 7.0).to_list()
    other = table.with_columns(pl.lit("rote.tasks.mixture.Mixture").alias("task._target_"))
    assert ceilings(other).null_count() == table.height
    # Of 4,096 sequences that there can be, some of those drawn are equal.
    short = table.with_columns(pl.lit(2).alias("task.length"), pl.col("cost.train_tokens") // 8)
    assert ceilings(short).is_not_null().to_list() == (number**2 < 64**2).tolist()


def test_a_runs_speed_is_its_tokens_over_its_share_of_the_time(
    tiny: MakeSpec, shared: Shared
) -> None:
    spec = tiny()
    run = shared.finished(spec)
    record, facts = run.record(), run.circumstances()
    (row,) = derive(table_of([FinishedRun(record, facts)])).to_dicts()
    assert row["train_tokens_per_second"] == pytest.approx(30 * 4 * 8 / facts["train_seconds"])
    assert row["train_flops_per_second"] == 6 * 2196 * row["train_tokens_per_second"]
    assert row["mfu"] is row["format_peak_share"] is None  # a processor
    assert 2**27 < row["circumstances.peak_memory_bytes"] < 2**34
    on_gpu = {**facts, "device": "NVIDIA H200", "stacked": 4}
    (other,) = derive(table_of([FinishedRun(record, on_gpu)])).to_dicts()
    assert other["train_tokens_per_second"] == pytest.approx(4 * row["train_tokens_per_second"])
    assert other["format_peak_share"] == pytest.approx(other["train_flops_per_second"] / 67e12)
    attention = 12 * record.what["size"]["num_layers"] * record.what["size"]["width"] * 8
    flops = (6 * 2196 + attention) * other["train_tokens_per_second"]
    assert other["mfu"] == pytest.approx(flops / 989.4e12)  # of bf16, though it trains in fp32
    (shared_by_two,) = derive(table_of([FinishedRun(record, on_gpu | {"processes": 2})])).to_dicts()
    assert shared_by_two["mfu"] == pytest.approx(other["mfu"] / 2)


def test_mfu_of_a_published_run_is_what_its_table_says() -> None:
    """The row "1b, 1024" of H100 in llm-foundry's scripts/train/benchmarking/README.md: 41.95 %."""
    table = pl.DataFrame(
        {
            "parameters": [1_313_853_440] * 3,
            "training.attention_flops_per_token": [12.0 * 24 * 2048 * 1024] * 2 + [None],
            "training.tokens_seen": [48_910] * 3,
            "circumstances.train_seconds": [1.0] * 3,
            "circumstances.stacked": [1] * 3,
            "circumstances.processes": [1] * 3,
            "circumstances.device": ["NVIDIA H100 80GB HBM3", "NVIDIA H100X", "NVIDIA H200"],
        }
    )
    published, unknown_device, older_record = derive(table, ["mfu"])["mfu"]
    assert published == pytest.approx(0.4195, abs=5e-4)
    assert unknown_device is None and older_record is None


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
        ("NVIDIA H100 PCIe", (51, 756 / 2, 1512 / 2, 1512 / 2)),
        ("NVIDIA H100 NVL", (60, 835 / 2, 1670 / 2, 1670 / 2)),
        ("NVIDIA L40S", (91.6, 366 / 2, 724 / 2, 724 / 2)),
        ("NVIDIA GeForce RTX 4090", (82.6, 165.2 / 2, 330.4 / 2, 330.4 / 2)),
        *((other, None) for other in (
            "cpu", "NVIDIA GH100X", "NVIDIA GH200 480GB", "NVIDIA A100X", "NVIDIA H800",
            "NVIDIA H200 NVL", "NVIDIA GeForce RTX 4090 D", "NVIDIA L40",  # slower cards
            "NVIDIA A100-SXM4-40GB MIG 1g.5gb", "NVIDIA H100 80GB HBM3 MIG 3g.40gb",  # parts
            "GRID A100-10C",
        )),
    ],
)  # fmt: skip
def test_peaks_are_those_of_the_data_sheets_without_sparsity(
    device: str, teraflops: tuple[float, ...] | None
) -> None:
    """Other cards and parts of a device have no known peak."""
    peaks = [peak_flops_per_second(device, each) for each in FORMATS]
    assert peaks == [*(round(1e12 * each) for each in teraflops or ()), *[None] * 5][:5]


def test_bits_per_active_parameter_and_flop_are_of_runs_that_recorded_them(build_table) -> None:
    table = build_table(shapes=((1, 16), (2, 16)))
    assert "bits_per_active_parameter" not in derive(table).columns
    layers = pl.col("size.num_layers")
    recorded = table.with_columns(
        pl.when(layers == 2).then(100.0).alias("training.active_parameters"),
        pl.when(layers == 2).then(300.0).alias("training.forward_flops_per_token"),
    )
    for row in derive(recorded).iter_rows(named=True):
        bits = row["memorised_bits"]
        wanted = (bits / 100, bits / 300) if row["size.num_layers"] == 2 else (None, None)
        assert (row["bits_per_active_parameter"], row["bits_per_forward_flop"]) == wanted


def test_speed_counts_the_flops_that_a_record_states() -> None:
    table = pl.DataFrame(
        {
            "parameters": [10, 10],
            "training.flops_per_token": [None, 80.0],
            "training.tokens_seen": [100, 100],
            "circumstances.train_seconds": [2.0, 2.0],
            "circumstances.stacked": [1, 1],
        }
    )
    speeds = derive(table, ["train_flops_per_second"])["train_flops_per_second"]
    assert speeds.to_list() == [6 * 10 * 50, 80 * 50]


SUMS = {
    "parameters": [50, 50, 50],
    "exact_match.train_rule_tried": [8, 0, None],
    "exact_match.train_rule_right_free": [6, 0, None],
    "exact_match.train_rule_answer_code_bits": [4.0, 0.0, None],
    "exact_match.train_rule_answer_bits": [0.0, 0.0, None],
    "exact_match.train_drawn_tried": [4, 8, None],
    "exact_match.train_drawn_right_free": [1, 8, None],
    "exact_match.train_drawn_answer_code_bits": [9.0, 1.0, None],
    "exact_match.train_drawn_answer_bits": [8.0, 16.0, None],
    "exact_match.heldout_rule_tried": [2, 2, None],
    "exact_match.heldout_rule_right_free": [1, 0, None],
    "exact_match.heldout_rule_answer_code_bits": [5.0, 5.0, None],
}


def test_shares_and_differences_are_those_by_hand() -> None:
    table = derive(pl.DataFrame(SUMS))
    assert table["accuracy.train_rule"].to_list() == [0.75, None, None]
    assert table["accuracy.train_drawn"].to_list() == [0.25, 1.0, None]
    assert table["accuracy.heldout_rule"].to_list() == [0.5, 0.0, None]
    assert table["knowledge_bits"].to_list() == [-1.0, 15.0, None]
    assert table["knowledge_bits_per_parameter"].to_list() == [-0.02, 0.3, None]


def test_without_known_entropy_there_is_no_knowledge() -> None:
    sums = {name: values for name, values in SUMS.items() if not name.endswith("_answer_bits")}
    table = derive(pl.DataFrame(sums))
    assert "knowledge_bits" not in table.columns
    assert table["accuracy.train_drawn"].to_list() == [0.25, 1.0, None]
