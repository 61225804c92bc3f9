"""Derived columns are subtractions and divisions of what was stored, nothing else."""

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
    assert row["model"] == "3x40"
    assert row["bits_per_parameter"] * row["parameters"] == row["memorised_bits"]
    assert row["data_bits_per_parameter"] == row["entropy_bits"] / row["parameters"]
