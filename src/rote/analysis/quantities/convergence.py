"""Judge whether training converged, and add loss and data size per capacity to the table.

All reports use the words of this module. A run with a finish (a full-batch minimisation after its
optimiser steps) has converged if the finish ended because the bits which its model of the loss
still predicts had fallen below a share of the memorised bits. A run that may end early has
converged if its memorised bits grow by less than a share of them per 1,000 steps. Any other run
ends after a set number of steps, and nothing tests whether it converged: what it memorised is a
lower bound. Loss in bits per token and data bits over capacity are the axes of double descent.
"""

from collections.abc import Mapping

import polars as pl

from rote.analysis.derived import column_or_null, shape
from rote.analysis.estimate import plural
from rote.analysis.metrics import derive
from rote.analysis.published import CapacityScale, capacity_scale

ENDED_BY = "training.finish.ended_by"  # null, or no such column, for a run without a finish
MAX_GROWTH = "budget.saturation.max_growth_per_1000_steps"  # 0 if the run never ends early
GROWTH, FINISH, SET_STEPS = "growth", "finish", "set number of steps"
RULES = {
    GROWTH: "growth per 1,000 steps",
    FINISH: "the gain that the full-batch finish predicts",
}
NOT_CONVERGED = "not converged when training ended"  # legend of hollow marks


def num_converged(runs: pl.DataFrame) -> int:
    """Return how many of these runs converged."""
    return runs.filter("training.converged").height


def num_tested(runs: pl.DataFrame) -> int:
    """Return how many of these runs end by a rule that tests whether they converged."""
    return sum(rule != SET_STEPS for rule in _rules(runs))


def rule_of(run: Mapping[str, object]) -> str:
    """Return the rule that tests whether a run (a row of the table) converged."""
    if run.get(ENDED_BY) is not None:
        return FINISH
    return SET_STEPS if run.get(MAX_GROWTH) == 0 else GROWTH


def converged(runs: pl.DataFrame) -> str:
    """Describe how many runs converged, and by which rule: "12 of 18 runs converged, judged by"."""
    parts: dict[str, list[bool]] = {}
    for rule, answer in zip(_rules(runs), runs["training.converged"], strict=True):
        parts.setdefault(rule, []).append(answer)
    untested = len(parts.pop(SET_STEPS, ()))
    counts = {rule: f"{sum(each):,} of {len(each):,}" for rule, each in parts.items()}
    if not counts:
        return f"{plural(untested, 'run')} of a set number of steps, not tested for convergence"
    if len(counts) == 1:
        ((rule, count),) = counts.items()
        words = f"{count} runs converged, judged by {RULES[rule]}"
    else:
        each = "; ".join(f"{count} judged by {RULES[rule]}" for rule, count in counts.items())
        words = f"{num_converged(runs):,} of {runs.height - untested:,} runs converged: {each}"
    return f"{words}; {untested:,} more of a set number of steps" if untested else words


def _rules(runs: pl.DataFrame) -> list[str]:
    known = [name for name in (ENDED_BY, MAX_GROWTH) if name in runs.columns]
    return [rule_of(run) for run in runs.select("training.converged", *known).rows(named=True)]


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
