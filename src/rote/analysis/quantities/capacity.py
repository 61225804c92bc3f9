"""Memorised bits and bits per parameter, by subtraction and division of stored sums."""

import polars as pl


def capacity_quantities(table: pl.DataFrame) -> pl.DataFrame:
    """The table with derived columns added.

    ``memorised_bits`` scores all S tokens of a sequence. ``memorised_bits_after_first_token``
    scores S - 1, the convention in which 64 tokens of 2,048 symbols give 693 bits and not 704.
    ``model`` is the shape as published tables write it: "1x32" is 1 layer, 32 wide.
    """
    entropy, code = pl.col("entropy_bits"), pl.col("cost.train_code_bits")
    entropy_after_first = pl.col("entropy_after_first_token_bits")
    code_after_first = code - pl.col("cost.train_first_token_code_bits")
    memorised, parameters = entropy - code, pl.col("parameters")
    return table.with_columns(
        model=pl.format("{}x{}", "size.num_layers", "size.width"),
        memorised_bits=memorised,
        memorised_bits_after_first_token=entropy_after_first - code_after_first,
        bits_per_parameter=memorised / parameters,
        data_bits_per_parameter=entropy / parameters,
    )
