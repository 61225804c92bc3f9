"""Derived columns are subtractions and divisions of what was stored, nothing else."""

import numpy as np
import polars as pl

from rote.analysis.quantities.capacity import capacity_quantities


def test_a_uniform_guesser_memorises_nothing_and_a_lookup_table_everything(build_table) -> None:
    table = build_table().with_columns(pl.Series("lookup", [0.0, 1.0] * 12))
    code = pl.col("entropy_bits") * (1 - pl.col("lookup"))
    first = code / pl.col("task.length")
    stored = table.with_columns(
        code.alias("cost.train_code_bits"), first.alias("cost.train_first_token_code_bits")
    )
    derived = capacity_quantities(stored)
    given_bits = (derived["entropy_bits"] * derived["lookup"]).to_list()
    after_first_bits = (derived["entropy_after_first_token_bits"] * derived["lookup"]).to_list()
    assert derived["memorised_bits"].to_list() == given_bits
    assert derived["memorised_bits_after_first_token"].to_list() == after_first_bits


def test_ratios_and_label(build_table) -> None:
    derived = capacity_quantities(build_table(shapes=((3, 40),)))
    row = derived.row(0, named=True)
    assert (row["shape"], row["model"]) == ("3x40", "3x40, 2 heads")
    assert row["bits_per_parameter"] * row["parameters"] == row["memorised_bits"]
    assert row["data_bits_per_parameter"] == row["entropy_bits"] / row["parameters"]


def test_what_can_be_memorised_is_the_entropy_less_the_least_code(build_table) -> None:
    """As measured; of older records N (S log2 V - log2 N) for uniform tokens, else unknown."""
    table = build_table(shapes=((1, 16),), planted={"fp32": 3.0})
    number = table["task.num_sequences"].to_numpy()
    formula = number * (16 * 6 - np.log2(number))
    derived = capacity_quantities(table)["ceiling_bits"].to_numpy()
    np.testing.assert_allclose(derived, formula, rtol=1e-12)
    measured = table.with_columns(pl.lit(7.0).alias("cost.train_least_code_bits"))
    expected = (measured["entropy_bits"] - 7.0).to_list()
    assert capacity_quantities(measured)["ceiling_bits"].to_list() == expected
    other = table.with_columns(pl.lit("rote.tasks.mixture.Mixture").alias("task._target_"))
    assert capacity_quantities(other)["ceiling_bits"].null_count() == table.height
    # Of 4,096 sequences that there can be, some of those drawn are equal.
    short = table.with_columns(pl.lit(2).alias("task.length"), pl.col("cost.train_tokens") // 8)
    few = number**2 < 64**2
    assert capacity_quantities(short)["ceiling_bits"].is_not_null().to_list() == few.tolist()


def test_a_model_without_heads_is_named_by_its_shape(build_table) -> None:
    table = build_table(shapes=((1, 16),))
    one = table.with_columns(pl.lit(1).alias("size.num_heads"))
    assert capacity_quantities(one)["model"][0] == "1x16, 1 head"
    assert capacity_quantities(table.drop("size.num_heads"))["model"][0] == "1x16"
