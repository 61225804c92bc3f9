"""Number formats are told apart by paired differences, not by whether intervals overlap."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import t as student_t

from rote.analysis.reports.capacity import summary as capacity_summary
from rote.analysis.reports.capacity.differences import differences
from rote.analysis.reports.capacity.summary import Summary
from rote.analysis.reports.capacity.wording import difference

SHAPES = ((1, 16), (1, 24), (2, 32))


def summarise(table: pl.DataFrame) -> Summary:
    return capacity_summary.summarise(table, {})


def test_formats_are_compared_size_by_size(build_table) -> None:
    """Sizes hold 2, 3 and 4 bits and every one 0.1 less in bf16: means overlap, sizes do not."""
    parts = [
        build_table(shapes=(shape,), planted={"fp32": bits, "bf16_mixed": bits - 0.1}, noise=0.001)
        for shape, bits in zip(SHAPES, (2.0, 3.0, 4.0), strict=True)
    ]
    table = pl.concat(parts).with_columns(pl.int_range(pl.len()).cast(pl.String).alias("run_id"))
    summary = summarise(table)
    fp32, bf16 = (alpha.slope for alpha in summary.alphas)
    assert fp32 and bf16
    assert bf16.bits_per_parameter.ends[1] > fp32.bits_per_parameter.ends[0]
    (found,) = differences(summary)
    assert (found.first, found.second, found.pairs) == ("fp32", "bf16_mixed", "3 sizes")
    assert found.bits_per_parameter.value == pytest.approx(-0.1, abs=0.01)
    assert found.bits_per_parameter.sign == -1
    assert difference(found).endswith("3 sizes): they differ")


def test_one_size_is_compared_seed_by_seed(build_table) -> None:
    """By hand: Student's t over the differences of two seeds' plateaus."""
    table = build_table(shapes=((1, 16),), seeds=(0, 1), noise=0.02)
    (found,) = differences(summarise(table))
    assert found.pairs == "2 seeds of one size"
    apart = []
    for seed in (0, 1):
        fp32, bf16 = (
            each.bits_per_parameter.value
            for each in summarise(table.filter(pl.col("seed") == seed)).capacities
        )
        apart.append(bf16 - fp32)
    reach = 12.7062 * abs(apart[1] - apart[0]) / 2
    middle = sum(apart) / 2
    assert found.bits_per_parameter.value == pytest.approx(middle)
    assert found.bits_per_parameter.interval == pytest.approx(
        (middle - reach, middle + reach), rel=1e-4
    )
    alone = differences(summarise(table.filter(pl.col("seed") == 0)))[0]
    assert (alone.bits_per_parameter.interval, alone.pairs) == (None, "1 seed of one size")


def test_runs_of_the_same_data_that_fill_both_models_are_pairs(build_table) -> None:
    """By hand: two seeds, two data sets beyond capacity, too few for a plateau of a seed."""
    fp32 = build_table(
        shapes=((1, 16),), fills=(0.5, 2.0, 3.0), seeds=(0, 1), planted={"fp32": 3.0}
    )
    bf16 = fp32.sort("seed", "entropy_bits").with_columns(
        pl.lit("bf16_mixed").alias("precision.name"),
        ("b" + pl.col("run_id")).alias("run_id"),
        (pl.col("cost.train_code_bits") + pl.Series([0.0, 300.0, 500.0, 0.0, 500.0, 700.0])),
    )
    (found,) = differences(summarise(pl.concat([fp32, bf16.select(fp32.columns)])))
    parameters = fp32["parameters"][0]
    assert found.pairs == "2 seeds of one size"
    assert found.bits_per_parameter.value == pytest.approx(-500 / parameters)
    # 400 and 600 bits: half their distance times Student's t of one degree.
    reach = 12.7062 * 100 / parameters
    assert found.bits_per_parameter.high == pytest.approx(-500 / parameters + reach, rel=1e-4)


def test_formats_of_different_sizes_add_their_errors_as_squares(build_table) -> None:
    fp32 = build_table(shapes=SHAPES[:2], planted={"fp32": 3.0}, noise=0.01)
    tf32 = build_table(shapes=SHAPES[2:], planted={"tf32": 2.0}, noise=0.01, seeds=(0, 1))
    table = pl.concat([fp32, tf32.with_columns(run_id="t" + pl.col("run_id"))])
    summary = summarise(table)
    (found,) = differences(summary)
    assert found.pairs == "no size in both"
    one, other = (alpha.slope for alpha in summary.alphas)
    assert one and other
    error = np.hypot(one.standard_error_bits_per_parameter, other.standard_error_bits_per_parameter)
    degrees = min(one.degrees_of_freedom, other.degrees_of_freedom)
    reach = student_t.ppf(0.975, degrees) * error
    assert found.bits_per_parameter.ends[1] - found.bits_per_parameter.value == pytest.approx(reach)
    assert differences(summarise(fp32)) == ()
