"""Loss in bits per token, and data bits over capacity: the axes of double descent."""

from collections.abc import Mapping

import polars as pl

from rote.analysis.alphas import CapacityScale, capacity_scale
from rote.analysis.metrics import derive

ORACLE = "oracle.reference_bits"  # the training set's code length under the oracle, where paired
EXACT, CODED, GUESSED = (
    "exact entropy",
    "code length of the training set under the oracle",
    "tokens times the lowest held-out loss of any run",
)


def loss_quantities(table: pl.DataFrame, alphas: Mapping[str, CapacityScale]) -> pl.DataFrame:
    """The table with derived columns added.

    ``data_bits`` is what a training set holds that cannot be generalised: its entropy for random
    tokens; for text its code length under the oracle, which never saw it; without an oracle the
    tokens times the lowest held-out loss of any run of the table on that corpus.
    ``data_bits_basis`` names it. ``data_per_capacity`` divides by alpha times parameters.
    """
    known = derive(table, ("train_bits_per_token", "heldout_bits_per_token"))
    scales = [capacity_scale(alphas, precision) for precision in table["precision.name"]]
    corpus = pl.col("task.corpus") if "task.corpus" in table.columns else pl.lit("")
    entropy = pl.col("entropy_bits").cast(pl.Float64)
    coded = pl.col(ORACLE) if ORACLE in table.columns else pl.lit(None, pl.Float64)
    guessed = pl.col("cost.train_tokens") * pl.col("heldout_bits_per_token").min().over(corpus)
    by_oracle = pl.when(coded.is_not_null()).then(pl.lit(CODED)).otherwise(pl.lit(GUESSED))
    return known.with_columns(
        model=pl.format("{}x{}", "size.num_layers", "size.width"),
        alpha=pl.Series([scale.bits_per_parameter for scale in scales]),
        alpha_source=pl.Series([scale.source for scale in scales]),
        data_bits=pl.coalesce(entropy, coded, guessed),
        data_bits_basis=pl.when(entropy.is_not_null()).then(pl.lit(EXACT)).otherwise(by_oracle),
    ).with_columns(
        capacity_bits=pl.col("alpha") * pl.col("parameters"),
        data_per_capacity=pl.col("data_bits") / (pl.col("alpha") * pl.col("parameters")),
    )
