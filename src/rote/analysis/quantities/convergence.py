"""Judge whether training converged, and add loss and data size per capacity to the table.

All reports use the words of this module. A run with a finish (a full-batch minimisation after its
optimiser steps) has converged if the finish ended because the bits which its model of the loss
still predicts had fallen below a share of the memorised bits. Any other run has converged if its
memorised bits grow by less than a share of them per 1,000 steps. Loss in bits per token and data
bits over capacity are the axes of double descent.
"""

from collections.abc import Mapping

import polars as pl

from rote.analysis.derived import column_or_null, shape
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
    parts = {
        RULES[str(name)]: part
        for (name,), part in runs.with_columns(rule=rule).group_by("rule", maintain_order=True)
    }
    if len(parts) == 1:
        return f"{_counted(runs)} runs converged, judged by {next(iter(parts))}"
    each = "; ".join(f"{_counted(part)} judged by {rule}" for rule, part in parts.items())
    return f"{_counted(runs)} runs converged: {each}"


def _counted(runs: pl.DataFrame) -> str:
    return f"{num_converged(runs):,} of {runs.height:,}"


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
    coded = column_or_null(table, ORACLE)
    guessed = pl.col("cost.train_tokens") * pl.col("heldout_bits_per_token").min().over(corpus)
    by_oracle = pl.when(coded.is_not_null()).then(pl.lit(CODED)).otherwise(pl.lit(GUESSED))
    return known.with_columns(
        model=shape(),
        alpha=pl.Series([scale.bits_per_parameter for scale in scales]),
        alpha_source=pl.Series([scale.source for scale in scales]),
        data_bits=pl.coalesce(entropy, coded, guessed),
        data_bits_basis=pl.when(entropy.is_not_null()).then(pl.lit(EXACT)).otherwise(by_oracle),
    ).with_columns(
        capacity_bits=pl.col("alpha") * pl.col("parameters"),
        data_per_capacity=pl.col("data_bits") / (pl.col("alpha") * pl.col("parameters")),
    )
