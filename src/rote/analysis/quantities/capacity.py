"""Memorised bits, all that can be memorised, and bits per parameter, from stored sums."""

import polars as pl

LEAST_CODE = "cost.train_least_code_bits"
UNIFORM = "rote.tasks.uniform.Uniform"


def capacity_quantities(table: pl.DataFrame) -> pl.DataFrame:
    """The table with derived columns added.

    ``memorised_bits`` scores all S tokens of a sequence. ``memorised_bits_after_first_token``
    scores S - 1, the convention in which 64 tokens of 2,048 symbols give 693 bits and not 704.
    ``ceiling_bits`` is the most that can be memorised (`ceiling_bits`). ``shape`` is the model's as
    published tables write it, "1x32" for 1 layer, 32 wide; ``model`` adds its heads.
    """
    entropy, code = pl.col("entropy_bits"), pl.col("cost.train_code_bits")
    entropy_after_first = pl.col("entropy_after_first_token_bits")
    code_after_first = code - pl.col("cost.train_first_token_code_bits")
    memorised, parameters = entropy - code, pl.col("parameters")
    return table.with_columns(
        shape=pl.format("{}x{}", "size.num_layers", "size.width"),
        memorised_bits=memorised,
        memorised_bits_after_first_token=entropy_after_first - code_after_first,
        ceiling_bits=ceiling_bits(table),
        bits_per_parameter=memorised / parameters,
        data_bits_per_parameter=entropy / parameters,
    ).with_columns(model=_model(table))


def ceiling_bits(table: pl.DataFrame) -> pl.Expr:
    """Entropy less the shortest code that any model can have (`rote.measures.least_code`).

    Of a record that does not hold that code: N log2 N for uniform sequences where V^S > N^2, so
    that less than half an equal pair is expected; null otherwise.
    """
    least = pl.col(LEAST_CODE) if LEAST_CODE in table.columns else pl.lit(None, pl.Float64)
    if not {"task._target_", "task.length", "task.vocab_size"} <= set(table.columns):
        return pl.col("entropy_bits") - least
    number = pl.col("cost.train_tokens") / pl.col("task.length")
    log_number = number.log(2)
    is_distinct = 2 * log_number < pl.col("task.length") * pl.col("task.vocab_size").log(2)
    is_set = (pl.col("task._target_") == UNIFORM) & is_distinct
    of_uniform = pl.when(is_set).then(number * log_number)
    return pl.col("entropy_bits") - pl.coalesce(least, of_uniform)


def _model(table: pl.DataFrame) -> pl.Expr:
    shape = pl.col("shape")
    if "size.num_heads" not in table.columns:
        return shape
    heads = pl.col("size.num_heads")
    ending = pl.when(heads == 1).then(pl.lit("")).otherwise(pl.lit("s"))
    return pl.coalesce(pl.format("{}, {} head{}", shape, heads, ending), shape)
