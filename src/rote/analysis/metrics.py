"""Define every number of a run that pages, tables, charts and dashboards show.

Only this module defines its name, its unit, its format and its derivation from stored sums.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl

from rote.analysis import derived

SHARES = {
    "accuracy": "answered right",
    "extracted": "extracted, tokens given",
    "near_extracted": "extracted within a distance, tokens given",
    "near_drawn": "probability of a sample within a distance, at least",
    "longest_match": "longest match with the rest, tokens given",
}

Derive = Callable[[pl.DataFrame], pl.Expr | None]  # None if the table lacks the columns


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A column of the table of runs."""

    name: str
    title: str
    unit: str = ""
    form: str = "{:,}"  # as in ``"{:.3f}"``
    # None: stored, or derived by code that reads arrays.
    expression: pl.Expr | Derive | None = None
    is_main: bool = False  # shown by default
    is_compared: bool = False  # compared by `rote compare`

    @property
    def label(self) -> str:
        """The title with its unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def signed(self) -> str:
        """The format of a difference."""
        return self.form.replace("{:z", "{:").replace("{:", "{:+")

    def amount(self, value: float) -> str:
        """Format the value with its unit."""
        return f"{self.form.format(value)} {self.unit}".strip()

    def of(self, table: pl.DataFrame) -> pl.Expr | None:
        """Return the expression that derives it; None if the table lacks what it needs."""
        made = self.expression(table) if callable(self.expression) else self.expression
        is_there = made is not None and set(made.meta.root_names()) <= set(table.columns)
        return made.alias(self.name) if made is not None and is_there else None


def derive(table: pl.DataFrame, names: Iterable[str] | None = None) -> pl.DataFrame:
    """Return the table with these columns, or all, as far as its stored sums allow.

    If all are derived, shares are added too: of the items of a split and group, those that greedy
    decoding answers right (``accuracy.train_add``), and of the sequences of a split, those that it
    continues from so many tokens (``extracted.train_16``), exactly or within a distance
    (``near_extracted.train_edit_5_16``); null if a run has none.
    """
    wanted = METRICS.values() if names is None else [METRICS[name] for name in names]
    made = [each.of(table) for each in wanted if each.name not in table.columns]
    shares = [] if names is not None else derived.shares(table)
    return table.with_columns(*(each for each in made if each is not None), *shares)


def metric_of(column: str) -> Metric:
    """Return the metric of any column; a column that is no metric is named by its last word."""
    family, _, rest = column.partition(".")
    if column not in METRICS and family in SHARES:
        words = rest.replace("_", " ").replace("heldout", "held-out")
        return Metric(name=column, title=f"{SHARES[family]}: {words}", form="{:.1%}")
    title = column.removesuffix("._target_").rpartition(".")[2].replace("_", " ")
    return METRICS.get(column) or Metric(name=column, title=title)


def title_of(column: str) -> str:
    """Return the title with its unit; a column that is no metric is named by its last word."""
    return metric_of(column).label


_ALL = (
    Metric(name="shape", title="layers x width", expression=derived.shape()),
    Metric(name="model", title="model", unit="layers x width, heads", expression=derived.model),
    Metric(name="name", title="run", expression=derived.names),
    Metric(name="parameters", title="parameters"),
    Metric(name="seed", title="seed"),
    Metric(name="task.num_sequences", title="sequences"),
    Metric(name="task.base.num_sequences", title="sequences"),
    Metric(name="task.length", title="sequence length", unit="tokens"),
    Metric(name="task.vocab_size", title="vocabulary", unit="symbols"),
    Metric(name="task.random_fraction", title="share of random labels", form="{:.0%}"),
    Metric(name="size.num_layers", title="layers"),
    Metric(name="size.width", title="width"),
    Metric(name="size.num_heads", title="heads"),
    Metric(name="optim.optimiser.lr", title="learning rate", form="{:.3g}"),
    Metric(name="optim.optimiser.weight_decay", title="weight decay", form="{:.3g}"),
    Metric(name="budget.batch_size", title="batch", unit="sequences"),
    Metric(name="precision.name", title="format"),
    Metric(name="entropy_bits", title="entropy of the training data", unit="bits", form="{:,.0f}"),
    Metric(name="step", title="step"),
    Metric(name="tokens", title="tokens seen", form="{:,.0f}"),
    Metric(name="epochs", title="epochs", form="{:.3g}"),
    Metric(
        name="loss_bits_per_token", title="training loss", unit="bits per token", form="{:.3f}"
    ),
    Metric(
        name="below_uniform_bits", title="below a uniform guesser", unit="bits", form="{:,.0f}"
    ),
    Metric(
        name="training.growth_bits_per_1000_steps", title="growth", unit="bits per 1,000 steps",
        form="{:,.1f}",
    ),
    Metric(
        name="training.finish.memorised_bits_before", title="memorised before the finish",
        unit="bits", form="{:,.0f}",
    ),
    Metric(name="training.finish.evaluations", title="evaluations of the finish"),
    Metric(
        name="memorised_bits", title="memorised", unit="bits", form="{:,.0f}",
        expression=derived.memorised(), is_main=True,
    ),
    # The metric above scores all S tokens. Without the first, 64 tokens of 2,048 symbols hold 693
    # bits and not 704.
    Metric(
        name="memorised_bits_after_first_token", title="memorised, first token left out",
        unit="bits", form="{:,.0f}",
        expression=pl.col("entropy_after_first_token_bits")
        - (pl.col("cost.train_code_bits") - pl.col("cost.train_first_token_code_bits")),
    ),
    Metric(
        name="ceiling_bits", title="can be memorised", unit="bits", form="{:,.0f}",
        expression=derived.ceiling_bits,
    ),
    Metric(
        name="bits_per_parameter", title="memorised", unit="bits per parameter", form="{:.3f}",
        expression=derived.memorised() / pl.col("parameters"), is_main=True, is_compared=True,
    ),
    Metric(
        name="stored_bits_per_parameter", title="stored", unit="bits per parameter",
        form="{:.2f}", expression=derived.stored_bits_per_parameter,
    ),
    Metric(
        name="bits_memorised_per_bit_stored", title="memorised per bit stored", form="{:.3f}",
        expression=derived.memorised_per_stored_bit,
    ),
    Metric(
        name="bits_per_active_parameter", title="memorised", unit="bits per active parameter",
        form="{:.3f}", expression=derived.memorised() / pl.col("training.active_parameters"),
    ),
    Metric(
        name="bits_per_forward_flop", title="memorised", unit="bits per forward FLOP of a token",
        form="{:.3f}", expression=derived.memorised() / pl.col("training.forward_flops_per_token"),
    ),
    Metric(
        name="capacity_bits_per_parameter", title="capacity", unit="bits per parameter",
        form="{:.2f}",
    ),
    Metric(
        name="data_bits_per_parameter", title="training data", unit="bits per parameter",
        form="{:.2f}", expression=pl.col("entropy_bits") / pl.col("parameters"),
    ),
    Metric(
        name="train_bits_per_token", title="training loss", unit="bits per token", form="{:.3f}",
        expression=pl.col("cost.train_code_bits") / pl.col("cost.train_tokens"), is_main=True,
        is_compared=True,
    ),
    Metric(
        name="heldout_bits_per_token", title="held-out loss", unit="bits per token", form="{:.3f}",
        expression=pl.col("cost.heldout_code_bits") / pl.col("cost.heldout_tokens"), is_main=True,
        is_compared=True,
    ),
    Metric(
        name="memorised_bits_per_sequence", title="memorised of a sequence", unit="bits",
        form="{:.2f}", is_compared=True,
        expression=derived.memorised() * pl.col("task.length") / pl.col("cost.train_tokens"),
    ),
    Metric(name="unique_tokens", title="distinct tokens", form="{:,.0f}"),
    Metric(name="is_stopped", title="stopped early"),
    Metric(name="steps", title="optimiser steps", form="{:,.0f}"),
    Metric(name="batch_tokens", title="tokens a step", form="{:,.0f}"),
    Metric(name="flops", title="FLOPs of training", form="{:.2e}"),
    Metric(name="samples", title="training sequences", form="{:,.0f}"),
    Metric(name="data_bits", title="training data", unit="bits", form="{:,.0f}"),
    Metric(name="data_per_capacity", title="data over capacity", form="{:.3f}"),
    Metric(
        name="knowledge_bits", title="knowledge", unit="bits", form="{:,.0f}",
        expression=derived.knowledge_bits,
    ),
    Metric(
        name="knowledge_bits_per_parameter", title="knowledge", unit="bits per parameter",
        form="{:.3f}", expression=derived.knowledge_bits_per_parameter,
    ),
    Metric(name="steps_to_fit", title="steps to fit", form="{:,.0f}"),
    Metric(name="unruled", title="random labels", unit="share of the training set", form="{:.0%}"),
    Metric(
        name="label_entropy_bits", title="entropy of the labels that no rule gives", unit="bits",
        form="{:,.0f}",
    ),
    Metric(name="given_bits", title="all there was to know", unit="bits", form="{:,.0f}"),
    Metric(name="max_code_bits", title="sum of mem_U", unit="bits", form="{:,.0f}"),
    Metric(name="mean_max_code_bits", title="mem_U of a sample", unit="bits", form="{:.2f}"),
    Metric(name="samples_per_parameter", title="|D| / P", form="{:#.3g}"),
    Metric(name="f1", title="membership F1", form="{:.3f}", is_compared=True),
    Metric(name="largest_f1", title="largest F1", form="{:.3f}"),
    Metric(name="balanced_accuracy", title="balanced accuracy", form="{:.3f}"),
    Metric(name="auroc", title="AUROC", form="{:.3f}"),
    Metric(
        name="nonmembers_excluded", title="non-members excluded where 1 % of members are missed",
        form="{:.1%}",
    ),
    Metric(
        name="exposure_bits", title="exposure of inserted canaries", unit="bits", form="{:.2f}",
        is_compared=True,
    ),
    Metric(
        name="exposure_most_bits", title="largest exposure measurable", unit="bits", form="{:.2f}"
    ),
    Metric(name="suffix_token_p", title="probability of a suffix token", form="{:.3f}"),
    Metric(name="repeats", title="occurrences of a sequence", unit="in the training set"),
    Metric(name="p_z", title="p_z", unit="of one sample", form="{:.2g}"),
    Metric(
        name="extracted_share", title="share of the most repeated canaries extracted", form="{:.0%}"
    ),
    Metric(
        name="acquired_bits", title="memorised when last shown", unit="bits of a sequence",
        form="{:.1f}",
    ),
    Metric(
        name="retained_bits", title="memorised at the last look", unit="bits of a sequence",
        form="{:.1f}",
    ),
    Metric(name="retained_share", title="retained", unit="share of the bits", form="{:.0%}"),
    Metric(
        name="half_life_steps", title="half-life", unit="optimiser steps", form="{:,.0f}",
    ),
    Metric(name="drawn_right", title="share of random labels answered right", form="{:.0%}"),
    Metric(
        name="canaries_extracted", title="inserted canaries extracted", form="{:.1%}",
        is_compared=True,
    ),
    Metric(
        name="windows_excess", title="windows extracted, less held-out", form="{:.1%}",
        is_compared=True,
    ),
    Metric(
        name="training.steps", title="optimiser steps", form="{:,.0f}", is_main=True,
        is_compared=True,
    ),
    Metric(name="training.tokens_seen", title="tokens seen", form="{:,.0f}"),
    Metric(name="training.converged", title="converged", is_main=True),
    Metric(
        name="train_tokens_per_second", title="speed", unit="tokens per second", form="{:,.0f}",
        expression=derived.tokens_per_second(), is_compared=True,
    ),
    Metric(
        name="train_flops_per_second", title="speed", unit="FLOP per second", form="{:.3g}",
        expression=derived.flops_per_second,
    ),
    Metric(
        name="mfu", title="MFU, share of the bf16 peak", form="{:.1%}", expression=derived.mfu,
    ),
    Metric(
        name="format_peak_share", title="share of its format's peak, without attention",
        form="{:.1%}", expression=derived.format_peak_share,
    ),
)  # fmt: skip
METRICS = {metric.name: metric for metric in _ALL}
