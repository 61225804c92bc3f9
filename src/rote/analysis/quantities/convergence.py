"""Judge whether training converged, and add loss and data size per capacity to the table.

All reports use the words of this module. A run with a finish (a full-batch minimisation after its
optimiser steps) has converged if the finish ended because the bits which its model of the loss
still predicts had fallen below a share of the memorised bits. Any other run has converged if its
memorised bits grow by less than a share of them per 1,000 steps. Loss in bits per token and data
bits over capacity are the axes of double descent.
"""

from collections.abc import Mapping

import polars as pl

from rote.analysis.metrics import derive
from rote.analysis.published import CapacityScale, capacity_scale

ENDED_BY = "training.finish.ended_by"  # null, or no such column, for a run without a finish
GROWTH, FINISH = "growth", "finish"
RULES = {
    GROWTH: "growth per 1,000 steps",
    FINISH: "the gain that the full-batch finish predicts",
}
NOT_CONVERGED = "not converged when training ended"  # legend of hollow marks


def num_converged(runs: pl.DataFrame) -> int:
    """Return how many of these runs converged."""
    return runs.filter("training.converged").height


def converged(runs: pl.DataFrame) -> str:
    """Describe how many runs converged, and by which rule: "12 of 18 runs converged, judged by"."""
    rule = pl.lit(GROWTH)
    if ENDED_BY in runs.columns:
        rule = pl.when(pl.col(ENDED_BY).is_null()).then(rule).otherwise(pl.lit(FINISH))
    named = runs.with_columns(rule=rule)
    counts = {
        name: f"{num_converged(part):,} of {part.height:,}"
        for (name,), part in named.group_by("rule", maintain_order=True)
    }
    if len(counts) == 1:
        ((name, count),) = counts.items()
        return f"{count} runs converged, judged by {RULES[str(name)]}"
    each = "; ".join(f"{count} judged by {RULES[str(name)]}" for name, count in counts.items())
    return f"{num_converged(runs):,} of {runs.height:,} runs converged: {each}"


ORACLE = "oracle.reference_bits"  # the training set's code length under the oracle, if paired
EXACT, CODED, GUESSED = (
    "exact entropy",
    "code length of the training set under the oracle",
    "tokens times the lowest held-out loss of any run",
)


def loss_quantities(table: pl.DataFrame, alphas: Mapping[str, CapacityScale]) -> pl.DataFrame:
    """Return the table with derived columns added.

    ``data_bits`` is the part of a training set that cannot be generalised, in bits: its entropy for
    random tokens; for text its code length under the oracle, which never saw it; without an oracle
    the tokens times the lowest held-out loss of any run of the table on that corpus.
    ``data_bits_basis`` names the source. ``data_per_capacity`` divides by alpha times parameters.
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
